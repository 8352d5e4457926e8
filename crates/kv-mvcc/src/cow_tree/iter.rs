use std::ops::Bound;
use std::slice;

use super::keys::{Keys, TreeKey};
use super::node::{Child, Leaf, Node};

/// The entries of an interval in the order of keys. Its end was found when it was made, so that going through
/// it compares no keys.
#[derive(Debug)]
pub(crate) struct Range<'a, K: TreeKey + ?Sized, V> {
    // The current leaf, and where the next entry is in it.
    leaf: Option<&'a Leaf<K, V>>,
    at: usize,
    // For each inner node above it, the children still to visit; the root's come first.
    path: Vec<slice::Iter<'a, Child<K, V>>>,
    remaining: usize,
}

impl<'a, K: TreeKey + ?Sized, V> Range<'a, K, V> {
    /// The first `entries` entries of what lies below `root` from `start` on.
    pub(super) fn new(root: &'a Node<K, V>, start: Bound<&K>, entries: usize) -> Self {
        let mut range = Self {
            leaf: None,
            at: 0,
            path: Vec::new(),
            remaining: entries,
        };
        if entries > 0 {
            range.seek(root, start);
        }
        range
    }

    fn seek(&mut self, root: &'a Node<K, V>, start: Bound<&K>) {
        let mut node = root;
        loop {
            match node {
                Node::Inner(inner) => {
                    // A separator may itself be a key of the subtree after it.
                    let at = match start {
                        Bound::Unbounded => 0,
                        Bound::Included(start) | Bound::Excluded(start) => inner.child_of(start),
                    };
                    let mut children = inner.children[at..].iter();
                    let Some(child) = children.next() else { return };
                    self.path.push(children);
                    node = &child.node;
                }
                Node::Leaf(leaf) => {
                    self.leaf = Some(leaf);
                    self.at = match start {
                        Bound::Unbounded => 0,
                        Bound::Included(start) => leaf.keys.count_below(start),
                        Bound::Excluded(start) => leaf.keys.count_up_to(start),
                    };
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
        loop {
            match node {
                Node::Inner(inner) => {
                    let mut children = inner.children.iter();
                    node = &children.next()?.node;
                    self.path.push(children);
                }
                Node::Leaf(leaf) => {
                    self.leaf = Some(leaf);
                    self.at = 0;
                    return Some(());
                }
            }
        }
    }
}

impl<'a, K: TreeKey + ?Sized, V> Iterator for Range<'a, K, V> {
    type Item = (&'a K, &'a V);

    fn next(&mut self) -> Option<Self::Item> {
        if self.remaining == 0 {
            return None;
        }
        loop {
            let leaf = self.leaf?;
            if self.at < leaf.values.len() {
                self.remaining -= 1;
                self.at += 1;
                return Some(leaf.entry(self.at - 1));
            }
            self.next_leaf()?;
        }
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.remaining, Some(self.remaining))
    }
}

impl<K: TreeKey + ?Sized, V> ExactSizeIterator for Range<'_, K, V> {}
