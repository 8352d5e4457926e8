//! An ordered map whose clones are free and do not change: a copy-on-write B+tree.
//!
//! Nodes are shared by reference counts. A change copies the nodes on its path that a clone still holds, and
//! works in place on those that none holds, so a writer without readers pays no more than in a plain B-tree.
//! Every subtree knows how many entries it has and what they weigh, so that the weight of an interval costs
//! two descents.

mod change;
mod iter;
mod keys;
mod node;
#[cfg(test)]
mod tests;

use std::borrow::Borrow;
use std::ops::Bound;
use std::sync::Arc;

pub(crate) use iter::Range;
use keys::Keys;
pub(crate) use keys::TreeKey;
use node::{Child, Inner, Node};

/// What a value counts for in the sums of a [`CowTree`].
pub(crate) trait Weight {
    /// The value's weight, in whatever unit the tree is used for. It changes only through `&mut self`.
    fn weight(&self) -> u64;
}

impl<V: Weight> Weight for Arc<V> {
    fn weight(&self) -> u64 {
        V::weight(self)
    }
}

/// Entries of a tree or an interval, and what they weigh together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Sums {
    /// How many entries there are.
    pub(crate) entries: usize,
    /// The sum of their weights.
    pub(crate) weight: u64,
}

impl Sums {
    fn plus(self, other: Self) -> Self {
        Self {
            entries: self.entries + other.entries,
            weight: self.weight + other.weight,
        }
    }

    fn minus(self, other: Self) -> Self {
        Self {
            entries: self.entries - other.entries,
            weight: self.weight - other.weight,
        }
    }
}

/// An ordered map with O(1) clones; see the module's description.
#[derive(Debug)]
pub(crate) struct CowTree<K: TreeKey + ?Sized, V> {
    root: Arc<Node<K, V>>,
    // Invariant: equal to the sums over the entries below `root`.
    sums: Sums,
}

impl<K: TreeKey + ?Sized, V> Clone for CowTree<K, V> {
    fn clone(&self) -> Self {
        Self {
            root: Arc::clone(&self.root),
            sums: self.sums,
        }
    }
}

impl<K: TreeKey + ?Sized, V> Default for CowTree<K, V> {
    fn default() -> Self {
        Self {
            root: Arc::default(),
            sums: Sums::default(),
        }
    }
}

impl<K: TreeKey + ?Sized, V> CowTree<K, V> {
    /// How many entries there are.
    pub(crate) fn len(&self) -> usize {
        self.sums.entries
    }

    /// Whether there is no entry.
    pub(crate) fn is_empty(&self) -> bool {
        self.sums.entries == 0
    }

    /// What all entries weigh together.
    pub(crate) fn weight(&self) -> u64 {
        self.sums.weight
    }
}

impl<K: TreeKey + ?Sized, V: Clone + Weight> CowTree<K, V> {
    /// The value of `key`.
    pub(crate) fn get(&self, key: &K) -> Option<&V> {
        let mut node = &self.root;
        loop {
            match &**node {
                Node::Inner(inner) => node = &inner.children[inner.child_of(key)].node,
                Node::Leaf(leaf) => return leaf.keys.find(key).ok().map(|at| &leaf.values[at]),
            }
        }
    }

    /// The values of many keys, each as [`Self::get`] gives it.
    ///
    /// Goes down level by level with all of them, so that waiting for the memory of one overlaps with that for
    /// others.
    pub(crate) fn get_many(&self, keys: &[K]) -> Vec<Option<&V>>
    where
        K: Sized,
    {
        let mut nodes: Vec<&Node<K, V>> = vec![&self.root; keys.len()];
        // All leaves are equally deep.
        while let Some(Node::Inner(_)) = nodes.first() {
            for (node, key) in nodes.iter_mut().zip(keys) {
                if let Node::Inner(inner) = *node {
                    *node = &inner.children[inner.child_of(key)].node;
                }
            }
        }
        nodes
            .into_iter()
            .zip(keys)
            .map(|(node, key)| match node {
                Node::Inner(_) => None,
                Node::Leaf(leaf) => leaf.keys.find(key).ok().map(|at| &leaf.values[at]),
            })
            .collect()
    }

    /// The entry with the smallest key.
    pub(crate) fn first(&self) -> Option<(&K, &V)> {
        self.iter().next()
    }

    /// The entry with the largest key.
    pub(crate) fn last(&self) -> Option<(&K, &V)> {
        last_below(&self.root)
    }

    /// The entry with the largest key that is not above `key`.
    pub(crate) fn floor(&self, key: &K) -> Option<(&K, &V)> {
        let mut node = &self.root;
        // The subtree just left of the path: where the answer is if the path's leaf has none.
        let mut left = None;
        loop {
            match &**node {
                Node::Inner(inner) => {
                    let at = inner.child_of(key);
                    if at > 0 {
                        left = Some(&inner.children[at - 1].node);
                    }
                    node = &inner.children[at].node;
                }
                Node::Leaf(leaf) => {
                    return match leaf.keys.count_up_to(key) {
                        0 => last_below(left?),
                        end => Some(leaf.entry(end - 1)),
                    };
                }
            }
        }
    }

    /// Entries and weight of an interval, in O(log n). Zero if the interval is turned around.
    pub(crate) fn sums(&self, bounds: (Bound<&K>, Bound<&K>)) -> Sums {
        let before = match bounds.0 {
            Bound::Unbounded => Sums::default(),
            Bound::Included(key) => self.sums_until(key, K::Keys::count_below),
            Bound::Excluded(key) => self.sums_until(key, K::Keys::count_up_to),
        };
        let until = match bounds.1 {
            Bound::Unbounded => self.sums,
            Bound::Included(key) => self.sums_until(key, K::Keys::count_up_to),
            Bound::Excluded(key) => self.sums_until(key, K::Keys::count_below),
        };
        if until.entries <= before.entries {
            Sums::default()
        } else {
            until.minus(before)
        }
    }

    /// The sums over the entries with the keys that `count` counts in a leaf.
    fn sums_until(&self, key: &K, count: impl Fn(&K::Keys, &K) -> usize) -> Sums {
        let mut sums = Sums::default();
        let mut node = &self.root;
        loop {
            match &**node {
                Node::Inner(inner) => {
                    // If `key` is a separator, it is the lowest key after it: nothing before that is left out.
                    let at = inner.child_of(key);
                    sums = inner.children[..at]
                        .iter()
                        .fold(sums, |sums, child| sums.plus(child.sums));
                    node = &inner.children[at].node;
                }
                Node::Leaf(leaf) => {
                    let at = count(&leaf.keys, key);
                    let weight = leaf.values[..at].iter().map(Weight::weight).sum();
                    return sums.plus(Sums { entries: at, weight });
                }
            }
        }
    }

    /// All entries in the order of keys.
    pub(crate) fn iter(&self) -> Range<'_, K, V> {
        Range::new(&self.root, Bound::Unbounded, self.len())
    }

    /// The entries of an interval in the order of keys; none if the interval is turned around.
    pub(crate) fn range(&self, bounds: (Bound<&K>, Bound<&K>)) -> Range<'_, K, V> {
        Range::new(&self.root, bounds.0, self.sums(bounds).entries)
    }

    /// Gives `key` a value and returns the one it had.
    pub(crate) fn insert(&mut self, key: impl Borrow<K>, value: V) -> Option<V> {
        self.upsert(key.borrow(), |_| value)
    }

    /// Gives `key` the value that `value` makes of the one it has, which is returned.
    pub(crate) fn upsert(&mut self, key: &K, value: impl FnOnce(Option<&V>) -> V) -> Option<V> {
        let (root, sums) = (&mut self.root, &mut self.sums);
        let (old, split) = change::upsert(root, sums, key, value, change::Edge::Right);
        if let Some(split) = split {
            let left = Child {
                node: std::mem::take(&mut self.root),
                sums: self.sums,
            };
            self.sums = left.sums.plus(split.right.sums);
            self.root = Arc::new(Node::Inner(Inner::of_two(left, split)));
        }
        old
    }

    /// Changes the value of `key` in place, if there is one, and returns what `change` returns.
    pub(crate) fn update<R>(&mut self, key: &K, change: impl FnOnce(&mut V) -> R) -> Option<R> {
        change::update(&mut self.root, &mut self.sums, key, change)
    }

    /// Removes `key` and returns its value.
    pub(crate) fn remove(&mut self, key: &K) -> Option<V> {
        let old = change::remove(&mut self.root, &mut self.sums, key)?;
        if self.root.len() == 0 {
            self.root = Arc::default();
        }
        while let Node::Inner(inner) = &*self.root
            && let [only] = &inner.children[..]
        {
            self.root = Arc::clone(&only.node);
        }
        Some(old)
    }
}

/// The entry with the largest key below a node.
fn last_below<K: TreeKey + ?Sized, V>(mut node: &Node<K, V>) -> Option<(&K, &V)> {
    loop {
        match node {
            Node::Inner(inner) => node = &inner.children.last()?.node,
            Node::Leaf(leaf) => return leaf.last(),
        }
    }
}

impl<K: TreeKey, V: Clone + Weight> FromIterator<(K, V)> for CowTree<K, V> {
    fn from_iter<I: IntoIterator<Item = (K, V)>>(entries: I) -> Self {
        let mut tree = Self::default();
        for (key, value) in entries {
            tree.insert(key, value);
        }
        tree
    }
}
