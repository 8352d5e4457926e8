mod damage;
mod model;
mod reading;
mod space;

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::sync::Arc;

use bytes::Bytes;
use kv_backend::{Backend, BackendError, BackendHome, Batch, MemoryHome};
use kv_types::{LeaseId, Revision, RowRevision, Version};

use super::*;

/// Small blocks and slices, so that few rows make many.
const SMALL: RowsOptions = RowsOptions {
    cache_bytes: 16 << 10,
    slice_bytes: 2048,
    block_bytes: 512,
};

type Content = BTreeMap<RowRevision, Row>;

fn at(main: i64) -> RowRevision {
    RowRevision::first_of(Revision::new(main))
}

/// A row whose content follows from its revision.
fn row(revision: RowRevision, value_bytes: usize) -> Row {
    let main = revision.main.get();
    let key = Bytes::from(format!("key/{}", main % 13));
    if main % 7 == 0 {
        return Row::tombstone(revision, key);
    }
    let value: Vec<u8> = (0..value_bytes)
        .map(|at| (at / 9).to_le_bytes()[0] ^ main.to_le_bytes()[0])
        .collect();
    Row {
        revision,
        key,
        value: value.into(),
        create_revision: Revision::new(main - main % 5),
        version: Version::new(1 + main % 5),
        lease: (main % 3 == 0).then_some(LeaseId::new(main)),
        tombstone: false,
    }
}

/// Values without a pattern, which do not pack.
fn noise(seed: i64, bytes: usize) -> Bytes {
    let mut state = seed.cast_unsigned().wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let next = |_| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()[0]
    };
    (0..bytes).map(next).collect()
}

fn append(rows: &mut Rows, mains: std::ops::Range<i64>, value_bytes: usize) {
    for main in mains {
        rows.append(Arc::new(row(at(main), value_bytes)));
    }
}

fn memory() -> Arc<dyn Backend> {
    MemoryHome::new().open().unwrap()
}

fn open(backend: &Arc<dyn Backend>, options: RowsOptions) -> Rows {
    Rows::open(Arc::clone(backend), options, &mut |_| {}).unwrap()
}

/// Carries a plan out up to its end.
fn write_out(plan: &mut CheckpointPlan, backend: &dyn Backend) -> Result<(), BackendError> {
    loop {
        let mut batch = Batch::new();
        let fill = plan.fill(&mut batch).unwrap();
        backend.write(batch)?;
        backend.flush()?;
        if fill == Fill::Last {
            return Ok(());
        }
    }
}

fn checkpoint(rows: &mut Rows, backend: &dyn Backend) {
    let mut plan = rows.begin_checkpoint();
    write_out(&mut plan, backend).unwrap();
    drop(rows.finish_checkpoint(plan));
}

/// Checkpoints until there is nothing left to do.
fn settle(rows: &mut Rows, backend: &dyn Backend) {
    for _ in 0..100 {
        if !rows.wants_checkpoint() {
            return;
        }
        checkpoint(rows, backend);
    }
    panic!("checkpoints go on for ever");
}

fn content(view: &RowsView) -> Content {
    let rows = view.iter(RowRevision::default(), None, Caching::Bypass);
    rows.map(|row| row.map(|row| (row.revision, (*row).clone())).unwrap())
        .collect()
}

/// Backend keys of rows, each with the size of its value.
fn stored(backend: &dyn Backend) -> Vec<(Vec<u8>, usize)> {
    let mut pairs = Vec::new();
    let mut visit = |name: &[u8], part: &[u8]| {
        pairs.push((name.to_vec(), part.len()));
        ControlFlow::Continue(())
    };
    backend.scan(b"b/", b"b0", &mut visit).unwrap();
    pairs
}

fn blocks(rows: &Rows) -> Vec<Arc<BlockInfo>> {
    rows.view()
        .blocks
        .iter()
        .map(|(_, info)| Arc::clone(info))
        .collect()
}
