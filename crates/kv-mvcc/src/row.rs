use std::sync::Arc;

use bytes::Bytes;
use kv_types::{LeaseId, Revision, RowRevision, Version};

use crate::KeyValue;

/// One change of one key: the unit of history, never changed once made, shared as `Arc<Row>`.
///
/// Invariant: a tombstone has an empty value, no lease, and zero as create revision and version. What has no key is a
/// [mark](Row::mark).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// Where the change stands in history.
    pub revision: RowRevision,
    /// The changed key.
    pub key: Bytes,
    /// The value put; empty for a tombstone.
    pub value: Bytes,
    /// The revision of the put that began this life of the key.
    pub create_revision: Revision,
    /// How often the key was put in this life, this put included.
    pub version: Version,
    /// The lease the key was attached to by this put.
    pub lease: Option<LeaseId>,
    /// Whether the change is a deletion.
    pub tombstone: bool,
}

impl Row {
    /// The deletion of `key`.
    pub fn tombstone(revision: RowRevision, key: Bytes) -> Self {
        Self {
            revision,
            key,
            value: Bytes::new(),
            create_revision: Revision::ZERO,
            version: Version::ZERO,
            lease: None,
            tombstone: true,
        }
    }

    /// Whether the change is a put in a life of its key that began at the same revision.
    pub fn is_creation(&self) -> bool {
        !self.tombstone && self.create_revision == self.revision.main
    }

    /// The key and value as a range answers them.
    pub fn key_value(&self) -> KeyValue {
        KeyValue {
            key: self.key.clone(),
            create_revision: self.create_revision,
            mod_revision: self.revision.main,
            version: self.version,
            value: self.value.clone(),
            lease: self.lease,
        }
    }

    /// All of the row but its value.
    pub fn meta(&self) -> RowMeta {
        RowMeta {
            revision: self.revision,
            key: self.key.clone(),
            create_revision: self.create_revision,
            version: self.version,
            lease: self.lease,
            tombstone: self.tombstone,
        }
    }
}

/// A [`Row`] without its value: what the key index is built from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RowMeta {
    /// Where the change stands in history.
    pub revision: RowRevision,
    /// The changed key.
    pub key: Bytes,
    /// The revision of the put that began this life of the key; zero for a tombstone.
    pub create_revision: Revision,
    /// How often the key was put in this life; zero for a tombstone.
    pub version: Version,
    /// The lease the key was attached to by this put.
    pub lease: Option<LeaseId>,
    /// Whether the change is a deletion.
    pub tombstone: bool,
}

/// A row as it was applied, with what it took the place of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// What was applied.
    pub row: Arc<Row>,
    /// The put that was live until this change, if any.
    pub prev: Option<RowRevision>,
}
