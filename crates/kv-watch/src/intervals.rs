use std::cmp::Ordering;

use bytes::Bytes;

/// Where an interval ends: before a key, or nowhere.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum End {
    Before(Bytes),
    Unbounded,
}

impl End {
    /// Whether `key` lies before the end.
    fn is_after(&self, key: &[u8]) -> bool {
        match self {
            Self::Before(end) => key < &end[..],
            Self::Unbounded => true,
        }
    }
}

/// Values with intervals of keys; finds those whose interval holds a key.
///
/// A height-balanced binary tree (AVL) in the order of starts, in which each node knows the last end below it.
#[derive(Debug)]
pub(crate) struct IntervalTree<T> {
    root: Link<T>,
}

type Link<T> = Option<Box<Node<T>>>;

/// Invariants: the tree is ordered by (start, end, value), all distinct; the heights of two siblings differ by
/// at most one; `height` and `max_end` are those of the subtree.
#[derive(Debug)]
struct Node<T> {
    start: Bytes,
    end: End,
    value: T,
    max_end: End,
    height: i8,
    left: Link<T>,
    right: Link<T>,
}

impl<T: Copy + Ord> IntervalTree<T> {
    pub(crate) fn new() -> Self {
        Self { root: None }
    }

    pub(crate) fn insert(&mut self, start: Bytes, end: End, value: T) {
        let max_end = end.clone();
        let node = Node {
            start,
            end,
            value,
            max_end,
            height: 1,
            left: None,
            right: None,
        };
        self.root = Some(insert(self.root.take(), Box::new(node)));
    }

    pub(crate) fn remove(&mut self, start: &Bytes, end: &End, value: T) {
        self.root = remove(self.root.take(), (start, end, value));
    }

    /// Visits the values whose interval holds `key`.
    pub(crate) fn visit(&self, key: &[u8], visit: &mut impl FnMut(T)) {
        visit_node(&self.root, key, visit);
    }
}

impl<T: Copy + Ord> Node<T> {
    fn order(&self) -> (&Bytes, &End, T) {
        (&self.start, &self.end, self.value)
    }

    fn update(&mut self) {
        self.height = height(&self.left).max(height(&self.right)) + 1;
        let below = [&self.left, &self.right]
            .into_iter()
            .flatten()
            .map(|child| &child.max_end);
        self.max_end = below.fold(&self.end, Ord::max).clone();
    }
}

fn height<T>(link: &Link<T>) -> i8 {
    link.as_ref().map_or(0, |node| node.height)
}

fn visit_node<T: Copy>(link: &Link<T>, key: &[u8], visit: &mut impl FnMut(T)) {
    let Some(node) = link.as_ref().filter(|node| node.max_end.is_after(key)) else {
        return;
    };
    visit_node(&node.left, key, visit);
    if &node.start[..] <= key {
        if node.end.is_after(key) {
            visit(node.value);
        }
        visit_node(&node.right, key, visit);
    }
}

fn insert<T: Copy + Ord>(link: Link<T>, new: Box<Node<T>>) -> Box<Node<T>> {
    let Some(mut node) = link else {
        return new;
    };
    if new.order() < node.order() {
        node.left = Some(insert(node.left.take(), new));
    } else {
        node.right = Some(insert(node.right.take(), new));
    }
    balance(node)
}

fn remove<T: Copy + Ord>(link: Link<T>, target: (&Bytes, &End, T)) -> Link<T> {
    let mut node = link?;
    match target.cmp(&node.order()) {
        Ordering::Less => node.left = remove(node.left.take(), target),
        Ordering::Greater => node.right = remove(node.right.take(), target),
        Ordering::Equal => return join(node.left.take(), node.right.take()),
    }
    Some(balance(node))
}

/// One tree of two siblings.
fn join<T: Copy + Ord>(left: Link<T>, right: Link<T>) -> Link<T> {
    let Some(right) = right else {
        return left;
    };
    let (mut first, rest) = take_first(right);
    first.left = left;
    first.right = rest;
    Some(balance(first))
}

fn take_first<T: Copy + Ord>(mut node: Box<Node<T>>) -> (Box<Node<T>>, Link<T>) {
    let Some(left) = node.left.take() else {
        let rest = node.right.take();
        return (node, rest);
    };
    let (first, rest) = take_first(left);
    node.left = rest;
    (first, Some(balance(node)))
}

/// Restores the invariants of a node whose children keep theirs and differ by at most two in height.
fn balance<T: Copy + Ord>(mut node: Box<Node<T>>) -> Box<Node<T>> {
    match height(&node.left) - height(&node.right) {
        2 => {
            node.left = node.left.take().map(|left| {
                if height(&left.left) < height(&left.right) {
                    rotate_left(left)
                } else {
                    left
                }
            });
            rotate_right(node)
        }
        -2 => {
            node.right = node.right.take().map(|right| {
                if height(&right.right) < height(&right.left) {
                    rotate_right(right)
                } else {
                    right
                }
            });
            rotate_left(node)
        }
        _ => {
            node.update();
            node
        }
    }
}

fn rotate_right<T: Copy + Ord>(mut node: Box<Node<T>>) -> Box<Node<T>> {
    let Some(mut left) = node.left.take() else {
        return node;
    };
    node.left = left.right.take();
    node.update();
    left.right = Some(node);
    left.update();
    left
}

fn rotate_left<T: Copy + Ord>(mut node: Box<Node<T>>) -> Box<Node<T>> {
    let Some(mut right) = node.right.take() else {
        return node;
    };
    node.right = right.left.take();
    node.update();
    right.left = Some(node);
    right.update();
    right
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn check(link: &Link<u32>) -> (i8, Option<End>) {
        let Some(node) = link else {
            return (0, None);
        };
        let ((left, left_end), (right, right_end)) = (check(&node.left), check(&node.right));
        assert!((left - right).abs() <= 1);
        assert_eq!(node.height, left.max(right) + 1);
        assert!(node.left.as_ref().is_none_or(|left| left.order() < node.order()));
        assert!(
            node.right
                .as_ref()
                .is_none_or(|right| right.order() > node.order())
        );
        let max_end = [left_end, right_end, Some(node.end.clone())]
            .into_iter()
            .flatten()
            .max();
        assert_eq!(Some(&node.max_end), max_end.as_ref());
        (node.height, max_end)
    }

    fn end() -> impl Strategy<Value = End> {
        prop_oneof![
            1 => Just(End::Unbounded),
            4 => "[a-d]{0,3}".prop_map(|end| End::Before(end.into())),
        ]
    }

    proptest! {
        /// The model is a list. Values are picked for removal by their place in it.
        #[test]
        fn the_tree_finds_what_a_scan_finds(
            steps in prop::collection::vec(
                (prop::option::weighted(0.3, any::<prop::sample::Index>()), "[a-d]{0,3}", end()),
                0..120,
            ),
            keys in prop::collection::vec("[a-d]{0,4}", 20),
        ) {
            let mut tree = IntervalTree::new();
            let mut model: Vec<(Bytes, End, u32)> = Vec::new();
            for (value, (removal, start, end)) in (0..).zip(steps) {
                match removal {
                    Some(at) if !model.is_empty() => {
                        let (start, end, value) = model.swap_remove(at.index(model.len()));
                        tree.remove(&start, &end, value);
                    }
                    _ => {
                        let start = Bytes::from(start);
                        tree.insert(start.clone(), end.clone(), value);
                        model.push((start, end, value));
                    }
                }
                check(&tree.root);
            }
            for key in &keys {
                let mut found = Vec::new();
                tree.visit(key.as_bytes(), &mut |value| found.push(value));
                found.sort_unstable();
                let holds = |(start, end, _): &&(Bytes, End, u32)| start <= key && end.is_after(key.as_bytes());
                let mut expected: Vec<_> = model.iter().filter(holds).map(|(_, _, value)| *value).collect();
                expected.sort_unstable();
                prop_assert_eq!(found, expected);
            }
        }
    }
}
