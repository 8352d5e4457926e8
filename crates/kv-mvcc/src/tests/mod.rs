//! The store against a naive model of it, and the cases of the API sheet.

mod cases;
mod hashes;
mod model;
mod properties;
mod requests;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use bytes::Bytes;
use kv_backend::{Backend, BackendHome, Batch, MemoryHome};
use kv_types::{KeyRange, LeaseId};

use crate::*;

/// Knows which leases exist and which keys are attached to them, and is strict about both.
#[derive(Default)]
struct Leases {
    existing: BTreeSet<LeaseId>,
    attached: BTreeMap<Bytes, LeaseId>,
}

impl Leases {
    fn with(ids: impl IntoIterator<Item = i64>) -> Self {
        Self {
            existing: ids.into_iter().map(LeaseId::new).collect(),
            attached: BTreeMap::new(),
        }
    }
}

impl LeaseBook for Leases {
    fn exists(&self, lease: LeaseId) -> bool {
        self.existing.contains(&lease)
    }

    fn attach(&mut self, lease: LeaseId, key: &Bytes) {
        assert!(self.exists(lease));
        assert_eq!(self.attached.insert(key.clone(), lease), None);
    }

    fn detach(&mut self, lease: LeaseId, key: &Bytes) {
        assert_eq!(self.attached.remove(key), Some(lease));
    }
}

/// Small enough that a few rows fill several blocks and batches.
const SMALL: StoreOptions = StoreOptions {
    cache_bytes: 4_096,
    slice_bytes: 512,
    block_bytes: 128,
};

fn open(backend: Arc<dyn Backend>) -> Store {
    Store::open(backend, SMALL).unwrap()
}

fn memory() -> Arc<dyn Backend> {
    MemoryHome::new().open().unwrap()
}

/// Makes the store durable and returns it as it is found after that.
fn reopen(mut store: Store, backend: &Arc<dyn Backend>) -> Store {
    checkpoint(&mut store, backend);
    drop(store);
    open(Arc::clone(backend))
}

fn checkpoint(store: &mut Store, backend: &Arc<dyn Backend>) {
    let mut plan = store.begin_checkpoint();
    loop {
        let mut batch = Batch::default();
        let fill = plan.fill(&mut batch).unwrap();
        backend.write(batch).unwrap();
        backend.flush().unwrap();
        if matches!(fill, Fill::Last) {
            break;
        }
    }
    drop(store.finish_checkpoint(plan));
}

/// A store in `backend` that is filled with the chunks of another one, made durable on the way.
fn copy_of(view: &View, backend: &Arc<dyn Backend>) -> Store {
    let mut copy = open(Arc::clone(backend));
    let starts = view.chunk_starts();
    for (at, from) in starts.iter().enumerate() {
        let chunk = view.chunk(*from, starts.get(at + 1).copied()).unwrap();
        copy.import_chunk(&chunk).unwrap();
        if at % 2 == 0 {
            checkpoint(&mut copy, backend);
        }
    }
    copy.finish_import(view.revision(), view.compacted()).unwrap();
    copy
}

fn collect_garbage(store: &mut Store, count_max: usize) {
    while let Some(plan) = store.view().plan_garbage(count_max) {
        store.finish_garbage(plan);
    }
}

fn bytes(text: &str) -> Bytes {
    Bytes::copy_from_slice(text.as_bytes())
}

/// Puts a value without a lease.
fn put(key: &str, value: &str) -> PutRequest {
    PutRequest {
        key: bytes(key),
        value: PutValue::New(bytes(value)),
        lease: PutLease::Set(None),
        prev_kv: false,
    }
}

fn delete(key: &str, range_end: &str) -> DeleteRequest {
    DeleteRequest {
        range: range(key, range_end),
        prev_kv: false,
    }
}

fn range(key: &str, range_end: &str) -> KeyRange {
    KeyRange::from_wire(bytes(key), bytes(range_end))
}
