//! Changes along one path: copied where shared, in place where not, with the sums put right on the way back.

use std::borrow::Borrow;
use std::sync::Arc;

use super::keys::{Keys, TreeKey, owned_separator, pop, push, shrink_with_room};
use super::node::{INNER_MAX, Inner, LEAF_MAX, Leaf, Node, Split};
use super::{Sums, Weight};

/// Whether a node lies on the right edge of the tree. One that overflows there keeps all it has and gives
/// away only the newest, so that keys inserted in ascending order fill their nodes.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Edge {
    Right,
    Elsewhere,
}

/// Gives `key` below `node`, whose sums are `sums`, the value that `value` makes of the one it has. If the node
/// had to split, `sums` are those of what stayed.
pub(super) fn upsert<K: TreeKey + ?Sized, V: Clone + Weight>(
    node: &mut Arc<Node<K, V>>,
    sums: &mut Sums,
    key: &K,
    value: impl FnOnce(Option<&V>) -> V,
    edge: Edge,
) -> (Option<V>, Option<Split<K, V>>) {
    match Arc::make_mut(node) {
        Node::Leaf(leaf) => match leaf.keys.find(key) {
            Ok(at) => {
                let value = value(Some(&leaf.values[at]));
                let weight = value.weight();
                let old = std::mem::replace(&mut leaf.values[at], value);
                sums.weight = sums.weight - old.weight() + weight;
                (Some(old), None)
            }
            Err(at) => {
                let value = value(None);
                *sums = sums.plus(Sums {
                    entries: 1,
                    weight: value.weight(),
                });
                let ascends = at == leaf.newest + 1;
                leaf.keys.insert(at, key);
                leaf.values.insert(at, value);
                leaf.newest = at;
                let len = leaf.values.len();
                let split_at = if ascends {
                    // What comes next goes in between: series of keys side by side fill their nodes as well.
                    (at + 1).min(len - 1)
                } else {
                    split_point(len, edge)
                };
                let split = split_leaf(leaf, split_at);
                (None, keep_sums(sums, split))
            }
        },
        Node::Inner(inner) => {
            let at = inner.child_of(key);
            let below = if at + 1 == inner.children.len() {
                edge
            } else {
                Edge::Elsewhere
            };
            let child = &mut inner.children[at];
            let before = child.sums;
            let (old, split) = upsert(&mut child.node, &mut child.sums, key, value, below);
            let mut after = child.sums;
            if let Some(split) = split {
                after = after.plus(split.right.sums);
                put_right(inner, at, split);
            }
            *sums = sums.plus(after).minus(before);
            let split = split_inner(inner, edge);
            (old, keep_sums(sums, split))
        }
    }
}

/// Puts what the child at `at` gave away to its right.
fn put_right<K: TreeKey + ?Sized, V>(inner: &mut Inner<K, V>, at: usize, split: Split<K, V>) {
    inner.separators.insert(at, split.separator.borrow());
    inner.children.insert(at + 1, split.right);
}

/// Takes what was given away off the sums of the node that gave it.
fn keep_sums<K: TreeKey + ?Sized, V>(sums: &mut Sums, split: Option<Split<K, V>>) -> Option<Split<K, V>> {
    if let Some(split) = &split {
        *sums = sums.minus(split.right.sums);
    }
    split
}

fn split_leaf<K: TreeKey + ?Sized, V: Weight>(leaf: &mut Leaf<K, V>, at: usize) -> Option<Split<K, V>> {
    if leaf.values.len() <= LEAF_MAX {
        return None;
    }
    let right = Leaf {
        keys: leaf.keys.split_off(at),
        values: leaf.values.split_off(at),
        newest: leaf.newest.saturating_sub(at),
    };
    // Where keys come in ascending order, nothing more comes here.
    leaf.keys.shrink();
    shrink_with_room(&mut leaf.values);
    let separator = owned_separator::<K, _>(&leaf.keys, &right.keys);
    Some(Split {
        separator,
        right: Node::Leaf(right).into_child(),
    })
}

fn split_inner<K: TreeKey + ?Sized, V: Weight>(inner: &mut Inner<K, V>, edge: Edge) -> Option<Split<K, V>> {
    let len = inner.children.len();
    if len <= INNER_MAX {
        return None;
    }
    let at = split_point(len, edge);
    let children = inner.children.split_off(at);
    let separators = inner.separators.split_off(at);
    let separator = pop::<K>(&mut inner.separators);
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
pub(super) fn update<K: TreeKey + ?Sized, V: Clone + Weight, R>(
    node: &mut Arc<Node<K, V>>,
    sums: &mut Sums,
    key: &K,
    change: impl FnOnce(&mut V) -> R,
) -> Option<R> {
    match Arc::make_mut(node) {
        Node::Leaf(leaf) => {
            let at = leaf.keys.find(key).ok()?;
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
pub(super) fn remove<K: TreeKey + ?Sized, V: Clone + Weight>(
    node: &mut Arc<Node<K, V>>,
    sums: &mut Sums,
    key: &K,
) -> Option<V> {
    let old = match Arc::make_mut(node) {
        Node::Leaf(leaf) => {
            let at = leaf.keys.find(key).ok()?;
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
fn cut_empty<K: TreeKey + ?Sized, V>(inner: &mut Inner<K, V>, at: usize) {
    inner.children.remove(at);
    if inner.separators.len() > 0 {
        inner.separators.remove(at.saturating_sub(1));
    }
}

/// Merges the child at `at`, which has become small, with a neighbour, or evens the two out.
fn refill<K: TreeKey + ?Sized, V: Clone + Weight>(inner: &mut Inner<K, V>, at: usize) {
    let left = at.min(inner.children.len() - 2);
    let separator = inner.separators.get(left).to_owned();
    inner.separators.remove(left);
    let right = inner.children.remove(left + 1);
    let sums = inner.children[left].sums.plus(right.sums);
    let right = Arc::unwrap_or_clone(right.node);
    let split = match (Arc::make_mut(&mut inner.children[left].node), right) {
        (Node::Leaf(left), Node::Leaf(mut right)) => {
            left.keys.append(&right.keys);
            left.values.append(&mut right.values);
            split_leaf(left, split_point(left.values.len(), Edge::Elsewhere))
        }
        (Node::Inner(left), Node::Inner(mut right)) => {
            push::<K>(&mut left.separators, &separator);
            left.separators.append(&right.separators);
            left.children.append(&mut right.children);
            split_inner(left, Edge::Elsewhere)
        }
        _ => unreachable!("neighbours are of one kind: all leaves are equally deep"),
    };
    inner.children[left].sums = sums;
    if let Some(split) = split {
        inner.children[left].sums = sums.minus(split.right.sums);
        put_right(inner, left, split);
    }
}
