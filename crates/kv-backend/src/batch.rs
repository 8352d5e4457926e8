use bytes::Bytes;

/// Changes that go into a [`Backend`](crate::Backend) together.
#[derive(Clone, Debug, Default)]
pub struct Batch {
    changes: Vec<Change>,
    bytes: usize,
}

/// One change: the key, and its new value unless it is deleted.
pub(crate) type Change = (Bytes, Option<Bytes>);

impl Batch {
    /// An empty batch.
    pub fn new() -> Batch {
        Batch::default()
    }

    /// Gives `key` the value `value`.
    pub fn put(&mut self, key: impl Into<Bytes>, value: impl Into<Bytes>) {
        self.push(key.into(), Some(value.into()));
    }

    /// Removes `key`, if it is there.
    pub fn delete(&mut self, key: impl Into<Bytes>) {
        self.push(key.into(), None);
    }

    /// Whether it changes nothing.
    pub fn is_empty(&self) -> bool {
        self.changes.is_empty()
    }

    /// Bytes of all keys and values in it.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    pub(crate) fn into_changes(self) -> Vec<Change> {
        self.changes
    }

    fn push(&mut self, key: Bytes, value: Option<Bytes>) {
        self.bytes += key.len() + value.as_ref().map_or(0, Bytes::len);
        self.changes.push((key, value));
    }
}
