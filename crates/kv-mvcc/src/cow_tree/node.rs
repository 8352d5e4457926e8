use std::borrow::Borrow;
use std::sync::Arc;

use super::{Sums, Weight};

/// Most entries of a leaf. Measured with 1 M keys of 40 bytes: smaller leaves cost more memory and slower
/// scans, larger ones more copying for each change under a reader.
pub(super) const LEAF_MAX: usize = 32;

/// Most children of an inner node.
pub(super) const INNER_MAX: usize = 32;

/// A node of the tree, shared by all clones that did not change it.
#[derive(Clone, Debug)]
pub(super) enum Node<K, V> {
    Leaf(Leaf<K, V>),
    Inner(Inner<K, V>),
}

/// Entries in ascending order of keys.
#[derive(Debug)]
pub(super) struct Leaf<K, V> {
    pub(super) keys: Vec<K>,
    // Invariant: one value for each key.
    pub(super) values: Vec<V>,
}

/// Subtrees in ascending order of keys.
#[derive(Debug)]
pub(super) struct Inner<K, V> {
    // Invariant: one less than `children`; separator i is above all keys of child i and not above those of
    // child i + 1.
    pub(super) separators: Vec<K>,
    // Invariant: never empty once the change that made it so is through.
    pub(super) children: Vec<Child<K, V>>,
}

/// A subtree and its sums, which stand here so that summing up does not touch the subtree.
#[derive(Debug)]
pub(super) struct Child<K, V> {
    pub(super) node: Arc<Node<K, V>>,
    pub(super) sums: Sums,
}

/// What a node that became too large gave away.
pub(super) struct Split<K, V> {
    pub(super) separator: K,
    pub(super) right: Child<K, V>,
}

impl<K, V> Clone for Child<K, V> {
    fn clone(&self) -> Self {
        Self {
            node: Arc::clone(&self.node),
            sums: self.sums,
        }
    }
}

/// Copies with a little room: a node is copied because it is about to change.
fn copy_with_room<T: Clone>(items: &[T]) -> Vec<T> {
    let mut copy = Vec::with_capacity(items.len() + items.len() / 8 + 1);
    copy.extend_from_slice(items);
    copy
}

impl<K: Clone, V: Clone> Clone for Leaf<K, V> {
    fn clone(&self) -> Self {
        Self {
            keys: copy_with_room(&self.keys),
            values: copy_with_room(&self.values),
        }
    }
}

impl<K: Clone, V> Clone for Inner<K, V> {
    fn clone(&self) -> Self {
        Self {
            separators: copy_with_room(&self.separators),
            children: copy_with_room(&self.children),
        }
    }
}

impl<K, V> Default for Node<K, V> {
    fn default() -> Self {
        Self::Leaf(Leaf {
            keys: Vec::new(),
            values: Vec::new(),
        })
    }
}

impl<K, V> Node<K, V> {
    /// Entries of a leaf or children of an inner node.
    pub(super) fn len(&self) -> usize {
        match self {
            Self::Leaf(leaf) => leaf.keys.len(),
            Self::Inner(inner) => inner.children.len(),
        }
    }

    /// Most that [`Self::len`] may be.
    pub(super) fn len_max(&self) -> usize {
        match self {
            Self::Leaf(_) => LEAF_MAX,
            Self::Inner(_) => INNER_MAX,
        }
    }
}

impl<K, V: Weight> Node<K, V> {
    /// The sums over everything below.
    pub(super) fn sums(&self) -> Sums {
        match self {
            Self::Leaf(leaf) => Sums {
                entries: leaf.keys.len(),
                weight: leaf.values.iter().map(Weight::weight).sum(),
            },
            Self::Inner(inner) => inner
                .children
                .iter()
                .fold(Sums::default(), |sums, child| sums.plus(child.sums)),
        }
    }

    /// This node as a child.
    pub(super) fn into_child(self) -> Child<K, V> {
        Child {
            sums: self.sums(),
            node: Arc::new(self),
        }
    }
}

impl<K: Ord, V> Leaf<K, V> {
    /// Where `key` is, or where it belongs.
    pub(super) fn find<Q: Ord + ?Sized>(&self, key: &Q) -> Result<usize, usize>
    where
        K: Borrow<Q>,
    {
        self.keys.binary_search_by(|other| other.borrow().cmp(key))
    }
}

impl<K: Ord, V> Inner<K, V> {
    /// A root over a former root and what it gave away.
    pub(super) fn of_two(left: Child<K, V>, split: Split<K, V>) -> Self {
        Self {
            separators: vec![split.separator],
            children: vec![left, split.right],
        }
    }

    /// The place of the child whose subtree `key` belongs to.
    pub(super) fn child_of<Q: Ord + ?Sized>(&self, key: &Q) -> usize
    where
        K: Borrow<Q>,
    {
        self.separators
            .partition_point(|separator| separator.borrow() <= key)
    }
}
