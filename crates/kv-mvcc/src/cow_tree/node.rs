use std::sync::Arc;

use super::keys::{Keys, TreeKey, copy_with_room, push};
use super::{Sums, Weight};

/// Most entries of a leaf. Measured with 1 M keys of 40 bytes and a view for every 64 puts: puts cost the same with
/// 16, 32 and 64, look-ups of 500 rows a quarter less with 64 than with 32, and it takes the least memory.
pub(super) const LEAF_MAX: usize = 64;

/// Most children of an inner node. A copy touches the reference counts of all of them.
pub(super) const INNER_MAX: usize = 32;

/// A node of the tree, shared by all clones that did not change it.
#[derive(Debug)]
pub(super) enum Node<K: TreeKey + ?Sized, V> {
    Leaf(Leaf<K, V>),
    Inner(Inner<K, V>),
}

/// Entries in ascending order of keys.
#[derive(Debug)]
pub(super) struct Leaf<K: TreeKey + ?Sized, V> {
    pub(super) keys: K::Keys,
    // Invariant: one value for each key.
    pub(super) values: Vec<V>,
    /// About where the last new entry went.
    pub(super) newest: usize,
}

/// Subtrees in ascending order of keys.
#[derive(Debug)]
pub(super) struct Inner<K: TreeKey + ?Sized, V> {
    // Invariant: one less than `children`; separator i is above all keys of child i and not above those of
    // child i + 1.
    pub(super) separators: K::Keys,
    // Invariant: never empty once the change that made it so is through.
    pub(super) children: Vec<Child<K, V>>,
}

/// A subtree and its sums, which stand here so that summing up does not touch the subtree.
#[derive(Debug)]
pub(super) struct Child<K: TreeKey + ?Sized, V> {
    pub(super) node: Arc<Node<K, V>>,
    pub(super) sums: Sums,
}

/// What a node that became too large gave away.
pub(super) struct Split<K: TreeKey + ?Sized, V> {
    pub(super) separator: K::Owned,
    pub(super) right: Child<K, V>,
}

impl<K: TreeKey + ?Sized, V> Clone for Child<K, V> {
    fn clone(&self) -> Self {
        Self {
            node: Arc::clone(&self.node),
            sums: self.sums,
        }
    }
}

impl<K: TreeKey + ?Sized, V: Clone> Clone for Node<K, V> {
    fn clone(&self) -> Self {
        match self {
            Self::Leaf(Leaf { keys, values, newest }) => Self::Leaf(Leaf {
                keys: keys.clone(),
                values: copy_with_room(values),
                newest: *newest,
            }),
            Self::Inner(Inner { separators, children }) => Self::Inner(Inner {
                separators: separators.clone(),
                children: copy_with_room(children),
            }),
        }
    }
}

impl<K: TreeKey + ?Sized, V> Default for Node<K, V> {
    fn default() -> Self {
        Self::Leaf(Leaf {
            keys: K::Keys::default(),
            values: Vec::new(),
            newest: 0,
        })
    }
}

impl<K: TreeKey + ?Sized, V> Node<K, V> {
    /// Entries of a leaf or children of an inner node.
    pub(super) fn len(&self) -> usize {
        match self {
            Self::Leaf(leaf) => leaf.values.len(),
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

impl<K: TreeKey + ?Sized, V: Weight> Node<K, V> {
    /// The sums over everything below.
    pub(super) fn sums(&self) -> Sums {
        match self {
            Self::Leaf(leaf) => Sums {
                entries: leaf.values.len(),
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

impl<K: TreeKey + ?Sized, V> Leaf<K, V> {
    /// The entry at `at`.
    pub(super) fn entry(&self, at: usize) -> (&K, &V) {
        (self.keys.get(at), &self.values[at])
    }

    /// The entry with the largest key.
    pub(super) fn last(&self) -> Option<(&K, &V)> {
        Some(self.entry(self.values.len().checked_sub(1)?))
    }
}

impl<K: TreeKey + ?Sized, V> Inner<K, V> {
    /// A root over a former root and what it gave away.
    pub(super) fn of_two(left: Child<K, V>, split: Split<K, V>) -> Self {
        let mut separators = K::Keys::default();
        push::<K>(&mut separators, &split.separator);
        Self {
            separators,
            children: vec![left, split.right],
        }
    }

    /// The place of the child whose subtree `key` belongs to.
    pub(super) fn child_of(&self, key: &K) -> usize {
        self.separators.count_up_to(key)
    }
}
