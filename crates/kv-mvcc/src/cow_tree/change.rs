//! Changes along one path: copied where shared, in place where not, with the sums put right on the way back.

use std::borrow::Borrow;
use std::sync::Arc;

use super::node::{Child, INNER_MAX, Inner, LEAF_MAX, Leaf, Node, Split};
use super::{Sums, Weight};

/// Whether a node lies on the right edge of the tree. One that overflows there keeps all it has and gives
/// away only the newest, so that keys inserted in ascending order fill their nodes.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Edge {
    Right,
    Elsewhere,
}

/// Gives `key` a value below `node`, whose sums are `sums`. If the node had to split, `sums` are those of
/// what stayed.
pub(super) fn insert<K: Ord + Clone, V: Clone + Weight>(
    node: &mut Arc<Node<K, V>>,
    sums: &mut Sums,
    key: K,
    value: V,
    edge: Edge,
) -> (Option<V>, Option<Split<K, V>>) {
    match Arc::make_mut(node) {
        Node::Leaf(leaf) => match leaf.find(&key) {
            Ok(at) => {
                let weight = value.weight();
                let old = std::mem::replace(&mut leaf.values[at], value);
                sums.weight = sums.weight - old.weight() + weight;
                (Some(old), None)
            }
            Err(at) => {
                *sums = sums.plus(Sums {
                    entries: 1,
                    weight: value.weight(),
                });
                leaf.keys.insert(at, key);
                leaf.values.insert(at, value);
                let split = split_leaf(leaf, edge);
                (None, keep_sums(sums, split))
            }
        },
        Node::Inner(inner) => {
            let at = inner.child_of(&key);
            let edge = if at + 1 == inner.children.len() {
                edge
            } else {
                Edge::Elsewhere
            };
            let child = &mut inner.children[at];
            let before = child.sums;
            let (old, split) = insert(&mut child.node, &mut child.sums, key, value, edge);
            let mut after = child.sums;
            if let Some(split) = split {
                after = after.plus(split.right.sums);
                inner.separators.insert(at, split.separator);
                inner.children.insert(at + 1, split.right);
            }
            *sums = sums.plus(after).minus(before);
            let split = split_inner(inner, edge);
            (old, keep_sums(sums, split))
        }
    }
}

/// Takes what was given away off the sums of the node that gave it.
fn keep_sums<K, V>(sums: &mut Sums, split: Option<Split<K, V>>) -> Option<Split<K, V>> {
    if let Some(split) = &split {
        *sums = sums.minus(split.right.sums);
    }
    split
}

fn split_leaf<K: Clone, V: Weight>(leaf: &mut Leaf<K, V>, edge: Edge) -> Option<Split<K, V>> {
    let len = leaf.keys.len();
    if len <= LEAF_MAX {
        return None;
    }
    let at = split_point(len, edge);
    let right = Leaf {
        keys: leaf.keys.split_off(at),
        values: leaf.values.split_off(at),
    };
    Some(Split {
        separator: right.keys[0].clone(),
        right: Node::Leaf(right).into_child(),
    })
}

fn split_inner<K, V: Weight>(inner: &mut Inner<K, V>, edge: Edge) -> Option<Split<K, V>> {
    let len = inner.children.len();
    if len <= INNER_MAX {
        return None;
    }
    let at = split_point(len, edge);
    let children = inner.children.split_off(at);
    let separators = inner.separators.split_off(at);
    let separator = inner
        .separators
        .pop()
        .expect("a child before the split point has a separator after it");
    Some(Split {
        separator,
        right: Node::Inner(Inner { separators, children }).into_child(),
    })
}

fn split_point(len: usize, edge: Edge) -> usize {
    match edge {
        Edge::Right => len - 1,
        Edge::Elsewhere => len / 2,
    }
}

/// Changes the value of `key` below `node` in place, if there is one.
pub(super) fn update<K, V, Q, R>(
    node: &mut Arc<Node<K, V>>,
    sums: &mut Sums,
    key: &Q,
    change: impl FnOnce(&mut V) -> R,
) -> Option<R>
where
    K: Ord + Clone + Borrow<Q>,
    V: Clone + Weight,
    Q: Ord + ?Sized,
{
    match Arc::make_mut(node) {
        Node::Leaf(leaf) => {
            let at = leaf.find(key).ok()?;
            let value = &mut leaf.values[at];
            let before = value.weight();
            let result = change(value);
            sums.weight = sums.weight - before + value.weight();
            Some(result)
        }
        Node::Inner(inner) => {
            let at = inner.child_of(key);
            let child = &mut inner.children[at];
            let before = child.sums.weight;
            let result = update(&mut child.node, &mut child.sums, key, change);
            sums.weight = sums.weight - before + child.sums.weight;
            result
        }
    }
}

/// Removes `key` below `node`, if it is there.
pub(super) fn remove<K, V, Q>(node: &mut Arc<Node<K, V>>, sums: &mut Sums, key: &Q) -> Option<V>
where
    K: Ord + Clone + Borrow<Q>,
    V: Clone + Weight,
    Q: Ord + ?Sized,
{
    let old = match Arc::make_mut(node) {
        Node::Leaf(leaf) => {
            let at = leaf.find(key).ok()?;
            leaf.keys.remove(at);
            leaf.values.remove(at)
        }
        Node::Inner(inner) => {
            let at = inner.child_of(key);
            let child = &mut inner.children[at];
            let old = remove(&mut child.node, &mut child.sums, key)?;
            let (len, len_max) = (child.node.len(), child.node.len_max());
            if len == 0 {
                cut_empty(inner, at);
            } else if len < len_max / 4 && inner.children.len() > 1 {
                refill(inner, at);
            }
            old
        }
    };
    *sums = sums.minus(Sums {
        entries: 1,
        weight: old.weight(),
    });
    Some(old)
}

/// Takes the empty child at `at` out. If it was the only one, its parent is empty too and goes the same way.
fn cut_empty<K, V>(inner: &mut Inner<K, V>, at: usize) {
    inner.children.remove(at);
    if !inner.separators.is_empty() {
        inner.separators.remove(at.saturating_sub(1));
    }
}

/// Merges the child at `at`, which has become small, with a neighbour, or evens the two out.
fn refill<K: Clone, V: Clone + Weight>(inner: &mut Inner<K, V>, at: usize) {
    let left = at.min(inner.children.len() - 2);
    let separator = inner.separators.remove(left);
    let right = inner.children.remove(left + 1);
    let sums = inner.children[left].sums.plus(right.sums);
    let right = Arc::unwrap_or_clone(right.node);
    let split = match (Arc::make_mut(&mut inner.children[left].node), right) {
        (Node::Leaf(left), Node::Leaf(mut right)) => {
            left.keys.append(&mut right.keys);
            left.values.append(&mut right.values);
            split_leaf(left, Edge::Elsewhere)
        }
        (Node::Inner(left), Node::Inner(mut right)) => {
            left.separators.push(separator);
            left.separators.append(&mut right.separators);
            left.children.append(&mut right.children);
            split_inner(left, Edge::Elsewhere)
        }
        _ => unreachable!("neighbours are of one kind: all leaves are equally deep"),
    };
    let child: &mut Child<K, V> = &mut inner.children[left];
    child.sums = sums;
    if let Some(split) = split {
        child.sums = sums.minus(split.right.sums);
        inner.separators.insert(left, split.separator);
        inner.children.insert(left + 1, split.right);
    }
}
