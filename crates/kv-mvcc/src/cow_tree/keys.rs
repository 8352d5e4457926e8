//! How a node holds its keys.

use std::borrow::Borrow;
use std::fmt::Debug;

use kv_types::RowRevision;

/// What can be a key of a [`CowTree`](super::CowTree).
pub(crate) trait TreeKey: Ord + ToOwned {
    /// The keys of one node.
    type Keys: Keys<Self>;

    /// Something above `left` and not above `right`, which is above `left`: what is held in inner nodes.
    fn separator<'a>(left: &Self, right: &'a Self) -> &'a Self;
}

/// Keys in ascending order.
pub(crate) trait Keys<K: ?Sized>: Clone + Debug + Default {
    fn len(&self) -> usize;

    fn get(&self, at: usize) -> &K;

    fn insert(&mut self, at: usize, key: &K);

    fn remove(&mut self, at: usize);

    /// Cuts off the keys from `at` on and returns them.
    fn split_off(&mut self, at: usize) -> Self;

    /// Gives back memory, but for a little room.
    fn shrink(&mut self);

    /// Adds keys that are above all that are here.
    fn append(&mut self, others: &Self);

    /// How many keys are below `key`.
    fn count_below(&self, key: &K) -> usize;

    /// How many keys are not above `key`.
    fn count_up_to(&self, key: &K) -> usize;

    /// Where `key` is, or where it belongs.
    fn find(&self, key: &K) -> Result<usize, usize>
    where
        K: Ord,
    {
        let at = self.count_below(key);
        if at < self.len() && self.get(at) == key {
            Ok(at)
        } else {
            Err(at)
        }
    }
}

/// Copies with a little room: a node is copied because it is about to change.
pub(super) fn copy_with_room<T: Clone>(items: &[T]) -> Vec<T> {
    let mut copy = Vec::with_capacity(with_room(items.len()));
    copy.extend_from_slice(items);
    copy
}

/// Gives back what is more than a little room.
pub(super) fn shrink_with_room<T>(items: &mut Vec<T>) {
    items.shrink_to(with_room(items.len()));
}

fn with_room(length: usize) -> usize {
    length + length / 8 + 1
}

impl TreeKey for RowRevision {
    type Keys = RevisionKeys;

    fn separator<'a>(_: &Self, right: &'a Self) -> &'a Self {
        right
    }
}

/// Revisions, one after the other.
#[derive(Debug, Default)]
pub(crate) struct RevisionKeys(Vec<RowRevision>);

/// A number in the same order, which two instructions compare, so that a search has no branch to mispredict.
fn number(revision: &RowRevision) -> i128 {
    i128::from(revision.main.get()) << 32 | i128::from(revision.sub)
}

impl Clone for RevisionKeys {
    fn clone(&self) -> Self {
        Self(copy_with_room(&self.0))
    }
}

impl Keys<RowRevision> for RevisionKeys {
    fn len(&self) -> usize {
        self.0.len()
    }

    fn get(&self, at: usize) -> &RowRevision {
        &self.0[at]
    }

    fn insert(&mut self, at: usize, key: &RowRevision) {
        self.0.insert(at, *key);
    }

    fn remove(&mut self, at: usize) {
        self.0.remove(at);
    }

    fn split_off(&mut self, at: usize) -> Self {
        Self(self.0.split_off(at))
    }

    fn shrink(&mut self) {
        shrink_with_room(&mut self.0);
    }

    fn append(&mut self, others: &Self) {
        self.0.extend_from_slice(&others.0);
    }

    fn count_below(&self, key: &RowRevision) -> usize {
        let key = number(key);
        self.0.partition_point(|other| number(other) < key)
    }

    fn count_up_to(&self, key: &RowRevision) -> usize {
        let key = number(key);
        self.0.partition_point(|other| number(other) <= key)
    }
}

/// Byte strings, which share their node's memory: a search stays within it, and a copy is one of bytes.
impl TreeKey for [u8] {
    type Keys = PackedKeys;

    fn separator<'a>(left: &Self, right: &'a Self) -> &'a Self {
        let common = left
            .iter()
            .zip(right)
            .take_while(|(left, right)| left == right)
            .count();
        &right[..right.len().min(common + 1)]
    }
}

/// Byte strings, one after the other.
#[derive(Debug, Default)]
pub(crate) struct PackedKeys {
    bytes: Vec<u8>,
    // Invariant: the ends of the keys in `bytes`, ascending; the last is its length.
    ends: Vec<u32>,
}

impl Clone for PackedKeys {
    fn clone(&self) -> Self {
        Self {
            bytes: copy_with_room(&self.bytes),
            ends: copy_with_room(&self.ends),
        }
    }
}

impl PackedKeys {
    fn start(&self, at: usize) -> usize {
        if at == 0 { 0 } else { self.end(at - 1) }
    }

    fn end(&self, at: usize) -> usize {
        self.ends[at] as usize
    }

    fn partition_point(&self, before: impl Fn(&[u8]) -> bool) -> usize {
        let (mut from, mut to) = (0, self.len());
        while from < to {
            let middle = from.midpoint(to);
            if before(self.get(middle)) {
                from = middle + 1;
            } else {
                to = middle;
            }
        }
        from
    }
}

fn narrow(length: usize) -> u32 {
    u32::try_from(length).expect("a request is far smaller than 4 GiB divided by the keys of a node")
}

impl Keys<[u8]> for PackedKeys {
    fn len(&self) -> usize {
        self.ends.len()
    }

    fn get(&self, at: usize) -> &[u8] {
        &self.bytes[self.start(at)..self.end(at)]
    }

    fn insert(&mut self, at: usize, key: &[u8]) {
        let start = self.start(at);
        let length = self.bytes.len();
        self.bytes.extend_from_slice(key);
        self.bytes[start..].rotate_right(key.len());
        debug_assert_eq!(self.bytes.len(), length + key.len());
        self.ends[at..]
            .iter_mut()
            .for_each(|end| *end += narrow(key.len()));
        self.ends.insert(at, narrow(start + key.len()));
    }

    fn remove(&mut self, at: usize) {
        let (start, end) = (self.start(at), self.end(at));
        self.bytes.drain(start..end);
        self.ends.remove(at);
        self.ends[at..]
            .iter_mut()
            .for_each(|other| *other -= narrow(end - start));
    }

    fn split_off(&mut self, at: usize) -> Self {
        let start = self.start(at);
        let mut ends = self.ends.split_off(at);
        ends.iter_mut().for_each(|end| *end -= narrow(start));
        Self {
            bytes: self.bytes.split_off(start),
            ends,
        }
    }

    fn count_below(&self, key: &[u8]) -> usize {
        self.partition_point(|other| other < key)
    }

    fn count_up_to(&self, key: &[u8]) -> usize {
        self.partition_point(|other| other <= key)
    }

    fn shrink(&mut self) {
        shrink_with_room(&mut self.bytes);
        shrink_with_room(&mut self.ends);
    }

    fn append(&mut self, others: &Self) {
        let start = narrow(self.bytes.len());
        self.bytes.extend_from_slice(&others.bytes);
        self.ends.extend(others.ends.iter().map(|end| start + end));
    }
}

/// The owned form of a separator on its way up.
pub(super) fn owned_separator<K: TreeKey + ?Sized, S: Keys<K>>(left: &S, right: &S) -> K::Owned {
    let separator = K::separator(left.get(left.len() - 1), right.get(0));
    debug_assert!(left.get(left.len() - 1) < separator && separator <= right.get(0));
    separator.to_owned()
}

/// Takes the last key off.
pub(super) fn pop<K: TreeKey + ?Sized>(keys: &mut K::Keys) -> K::Owned {
    let last = keys.len() - 1;
    let key = keys.get(last).to_owned();
    keys.remove(last);
    key
}

/// Adds a key above all others.
pub(super) fn push<K: TreeKey + ?Sized>(keys: &mut K::Keys, key: &K::Owned) {
    keys.insert(keys.len(), key.borrow());
}
