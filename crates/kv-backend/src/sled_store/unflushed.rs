//! What was written since the last flush. sled gets it only within a flush: whatever makes sled flush on its own
//! (it does whenever a handle or an iterator is dropped) then finds nothing, or all of one flush.

use std::collections::BTreeMap;
use std::ops::Bound;

use bytes::Bytes;

use crate::batch::Change;

#[derive(Default)]
pub(super) struct Unflushed {
    changes: BTreeMap<Bytes, Option<Bytes>>,
    bytes: usize,
}

impl Unflushed {
    pub(super) fn apply(&mut self, changes: Vec<Change>) {
        for (key, value) in changes {
            let key_bytes = key.len();
            self.bytes += key_bytes + value_bytes(value.as_ref());
            if let Some(old) = self.changes.insert(key, value) {
                self.bytes -= key_bytes + value_bytes(old.as_ref());
            }
        }
    }

    /// What has become of `key`, if it was written at all: its value, or `None` when it was deleted.
    pub(super) fn get(&self, key: &[u8]) -> Option<Option<Bytes>> {
        self.changes.get(key).cloned()
    }

    /// All changes of keys from `from` up to `to`, in key order.
    pub(super) fn range(
        &self,
        from: &[u8],
        to: Bound<&[u8]>,
    ) -> impl Iterator<Item = (&Bytes, &Option<Bytes>)> {
        self.changes.range::<[u8], _>((Bound::Included(from), to))
    }

    pub(super) fn changes(&self) -> impl Iterator<Item = (&Bytes, &Option<Bytes>)> {
        self.changes.iter()
    }

    /// Bytes of all keys and values in it.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    pub(super) fn is_empty(&self) -> bool {
        self.changes.is_empty()
    }

    pub(super) fn clear(&mut self) {
        *self = Unflushed::default();
    }
}

fn value_bytes(value: Option<&Bytes>) -> usize {
    value.map_or(0, Bytes::len)
}
