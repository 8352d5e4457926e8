use std::borrow::Borrow;
use std::iter::Zip;
use std::ops::Bound;
use std::slice;

use super::node::{Child, Node};

/// The entries of an interval in the order of keys. Its end was found when it was made, so that going through
/// it compares no keys.
#[derive(Debug)]
pub(crate) struct Range<'a, K, V> {
    // What is left of the current leaf.
    leaf: Zip<slice::Iter<'a, K>, slice::Iter<'a, V>>,
    // For each inner node above it, the children still to visit; the root's come first.
    path: Vec<slice::Iter<'a, Child<K, V>>>,
    remaining: usize,
}

impl<'a, K: Ord, V> Range<'a, K, V> {
    /// The first `entries` entries of what lies below `root` from `start` on.
    pub(super) fn new<Q: Ord + ?Sized>(root: &'a Node<K, V>, start: Bound<&Q>, entries: usize) -> Self
    where
        K: Borrow<Q>,
    {
        let mut range = Self {
            leaf: [].iter().zip([].iter()),
            path: Vec::new(),
            remaining: entries,
        };
        if entries > 0 {
            range.seek(root, start);
        }
        range
    }

    fn seek<Q: Ord + ?Sized>(&mut self, root: &'a Node<K, V>, start: Bound<&Q>)
    where
        K: Borrow<Q>,
    {
        let before = |key: &K| match start {
            Bound::Unbounded => false,
            Bound::Included(start) => key.borrow() < start,
            Bound::Excluded(start) => key.borrow() <= start,
        };
        // A separator may itself be a key of the subtree after it.
        let not_after = |key: &K| match start {
            Bound::Unbounded => false,
            Bound::Included(start) | Bound::Excluded(start) => key.borrow() <= start,
        };
        let mut node = root;
        loop {
            match node {
                Node::Inner(inner) => {
                    let mut children = inner.children[inner.separators.partition_point(not_after)..].iter();
                    let Some(child) = children.next() else { return };
                    self.path.push(children);
                    node = &child.node;
                }
                Node::Leaf(leaf) => {
                    let at = leaf.keys.partition_point(before);
                    self.leaf = leaf.keys[at..].iter().zip(leaf.values[at..].iter());
                    return;
                }
            }
        }
    }

    /// Moves to the next leaf, if there is one.
    fn next_leaf(&mut self) -> Option<()> {
        let mut node = loop {
            match self.path.last_mut()?.next() {
                Some(child) => break &*child.node,
                None => self.path.pop(),
            };
        };
        while let Node::Inner(inner) = node {
            let mut children = inner.children.iter();
            node = &children.next()?.node;
            self.path.push(children);
        }
        if let Node::Leaf(leaf) = node {
            self.leaf = leaf.keys.iter().zip(leaf.values.iter());
        }
        Some(())
    }
}

impl<'a, K: Ord, V> Iterator for Range<'a, K, V> {
    type Item = (&'a K, &'a V);

    fn next(&mut self) -> Option<Self::Item> {
        if self.remaining == 0 {
            return None;
        }
        loop {
            if let Some(entry) = self.leaf.next() {
                self.remaining -= 1;
                return Some(entry);
            }
            self.next_leaf()?;
        }
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.remaining, Some(self.remaining))
    }
}

impl<K: Ord, V> ExactSizeIterator for Range<'_, K, V> {}
