use std::sync::Arc;

use bytes::Bytes;
use kv_types::{LeaseId, Revision, RowRevision};

use super::Store;
use crate::index::{At, VersionMeta};
use crate::read::{Reader, key_value};
use crate::txn::{Branch, Step};
use crate::{
    Change, DeleteRequest, DeleteResult, LeaseBook, OpResult, PutLease, PutRequest, PutResult, PutValue,
    RangeError, ReadError, Row, TxnResult,
};

/// A request being applied: all its changes share the next revision, which becomes the current one at the end
/// if there were any.
pub(super) struct Write<'a> {
    store: &'a mut Store,
    leases: &'a mut dyn LeaseBook,
    main: Revision,
    changes: u32,
}

impl<'a> Write<'a> {
    pub(super) fn begin(store: &'a mut Store, leases: &'a mut dyn LeaseBook) -> Self {
        let main = store.state.revision.next();
        Self {
            store,
            leases,
            main,
            changes: 0,
        }
    }

    /// The revision reached: the next one as soon as something is changed.
    fn revision(&self) -> Revision {
        if self.changes > 0 {
            self.main
        } else {
            self.main.prev()
        }
    }

    fn reader(&self) -> Reader<'_> {
        Reader {
            state: &self.store.state,
            rows: self.store.rows.view(),
            revision: self.revision(),
        }
    }

    /// Makes the changes the current state and returns its revision.
    pub(super) fn end(self) -> Revision {
        self.store.state.revision = self.revision();
        self.store.state.revision
    }

    pub(super) fn run(&mut self, branch: Branch<'_>) -> Result<TxnResult, RangeError> {
        let mut responses = Vec::with_capacity(branch.steps.len());
        for step in branch.steps {
            responses.push(match step {
                Step::Range(request) => OpResult::Range(self.reader().range(request)?),
                Step::Put(request) => OpResult::Put(self.put(request)?),
                Step::Delete(request) => OpResult::Delete(self.delete(request)?),
                Step::Txn(branch) => OpResult::Txn(self.run(branch)?),
            });
        }
        Ok(TxnResult {
            succeeded: branch.succeeded,
            responses,
            revision: self.revision(),
        })
    }

    /// Puts a checked request. What is to be kept of a key that an earlier step deleted (which the checks of
    /// a transaction rule out) is empty.
    pub(super) fn put(&mut self, request: &PutRequest) -> Result<PutResult, ReadError> {
        let value_needed = request.value == PutValue::Keep || request.prev_kv;
        let before = if value_needed || request.lease == PutLease::Keep {
            self.live(&request.key)
        } else {
            None
        };
        let before_value = match before {
            Some(before) if value_needed => self.reader().value(before.revision())?,
            _ => Bytes::new(),
        };
        let value = match &request.value {
            PutValue::New(value) => value.clone(),
            PutValue::Keep => before_value.clone(),
        };
        let lease = match request.lease {
            PutLease::Set(lease) => lease,
            PutLease::Keep => before.and_then(|before| before.lease()),
        };
        self.put_row(&request.key, value, lease);
        let prev_kv = before.filter(|_| request.prev_kv);
        let prev_kv = prev_kv.map(|before| key_value(request.key.clone(), &before, before_value));
        Ok(PutResult {
            prev_kv,
            revision: self.main,
        })
    }

    fn live(&self, key: &[u8]) -> Option<VersionMeta> {
        self.store.state.index.live(key, At::Latest).copied()
    }

    fn put_row(&mut self, key: &Bytes, value: Bytes, lease: Option<LeaseId>) {
        let revision = RowRevision::new(self.main, self.changes);
        let compacted = self.store.state.compacted_or_before();
        let (before, version) = self.store.state.index.put(key, revision, lease, compacted);
        let lease_before = before.and_then(|before| before.lease());
        if lease_before != lease {
            if let Some(lease) = lease_before {
                self.leases.detach(lease, key);
            }
            if let Some(lease) = lease {
                self.leases.attach(lease, key);
            }
        }
        let row = Row {
            revision,
            key: key.clone(),
            value,
            create_revision: version.create_revision,
            version: version.version,
            lease,
            tombstone: false,
        };
        self.record(row, before);
    }

    /// Deletes a checked interval. Nothing is changed before everything is read.
    pub(super) fn delete(&mut self, request: &DeleteRequest) -> Result<DeleteResult, ReadError> {
        let live = self.store.state.index.range(&request.range, At::Latest);
        let found: Vec<(Bytes, VersionMeta)> = live
            .map(|(key, version)| (Bytes::copy_from_slice(key), *version))
            .collect();
        let prev_kvs = if request.prev_kv {
            let found: Vec<_> = found.iter().map(|(key, version)| (&key[..], version)).collect();
            self.reader().with_values(&found)?
        } else {
            Vec::new()
        };
        let deleted = found.len() as u64;
        for (key, version) in found {
            self.delete_key(key, version);
        }
        Ok(DeleteResult {
            deleted,
            prev_kvs,
            revision: self.revision(),
        })
    }

    /// Deletes those of `keys` that exist, in the order of keys, and returns how many did.
    pub(super) fn delete_keys(&mut self, keys: &[Bytes]) -> u64 {
        let mut keys: Vec<&Bytes> = keys.iter().collect();
        keys.sort_unstable();
        let mut deleted = 0;
        for key in keys {
            if let Some(live) = self.live(key) {
                self.delete_key(key.clone(), live);
                deleted += 1;
            }
        }
        deleted
    }

    fn delete_key(&mut self, key: Bytes, live: VersionMeta) {
        let revision = RowRevision::new(self.main, self.changes);
        let compacted = self.store.state.compacted_or_before();
        self.store.state.index.delete(&key, revision, compacted);
        if let Some(lease) = live.lease() {
            self.leases.detach(lease, &key);
        }
        self.record(Row::tombstone(revision, key), Some(live));
    }

    /// Takes a row into history. `before` is what was live at its key until now.
    fn record(&mut self, row: Row, before: Option<VersionMeta>) {
        let prev = before.filter(|_| !row.is_creation()).and_then(|before| {
            // The change as a whole is what has a predecessor: a put of the same revision is not one.
            if before.mod_revision() < self.main {
                return Some(before.revision());
            }
            self.store
                .state
                .index
                .live_before(row.revision)
                .map(VersionMeta::revision)
        });
        let row = Arc::new(row);
        self.store.rows.append(Arc::clone(&row));
        self.store.changes.push(Change { row, prev });
        self.changes += 1;
    }
}
