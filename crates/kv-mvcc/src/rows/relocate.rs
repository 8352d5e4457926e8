use std::collections::{BTreeSet, VecDeque};
use std::io;
use std::ops::ControlFlow;
use std::sync::Arc;

use kv_backend::{Backend, BackendError, Batch};

use super::names::{bounds, name, parse};
use super::source::BlockSource;
use super::writer::Rows;
use crate::block::{BlockId, PartKind};

/// Copies a store into an empty backend, which then has nothing but what is in use. Blocks never change, so that most
/// of them can be copied while checkpoints go on; the little that does change is copied last.
pub struct Relocation {
    from: Arc<dyn Backend>,
    to: Arc<dyn Backend>,
    slice_bytes: usize,
    copied: BTreeSet<BlockId>,
    missing: VecDeque<BlockId>,
}

impl Relocation {
    /// Begins; `to` is empty. About `slice_bytes` go into one flush.
    pub fn new(from: Arc<dyn Backend>, to: Arc<dyn Backend>, slice_bytes: usize) -> Self {
        Self {
            from,
            to,
            slice_bytes,
            copied: BTreeSet::new(),
            missing: VecDeque::new(),
        }
    }

    /// Looks which blocks there are that were not copied yet; how many.
    ///
    /// # Errors
    /// [`BackendError`] if the backend cannot be read.
    pub fn look(&mut self) -> Result<usize, BackendError> {
        let there = self.blocks()?;
        self.missing = there.into_iter().filter(|id| !self.copied.contains(id)).collect();
        Ok(self.missing.len())
    }

    /// Copies some of the blocks found; how many are left.
    ///
    /// # Errors
    /// [`BackendError`] if one of the backends fails; what was copied is of no use then.
    pub fn copy_slice(&mut self) -> Result<usize, BackendError> {
        let mut batch = Batch::new();
        while batch.bytes() < self.slice_bytes
            && let Some(id) = self.missing.pop_front()
        {
            let mut part = |kind| self.from.get(&name(kind, id));
            // One that is gone was replaced meanwhile.
            if let (Some(keys), Some(values)) = (part(PartKind::Keys)?, part(PartKind::Values)?) {
                batch.put(name(PartKind::Keys, id), keys);
                batch.put(name(PartKind::Values, id), values);
                self.copied.insert(id);
            }
        }
        self.flush(batch)?;
        Ok(self.missing.len())
    }

    /// Copies what is left, and everything that is no block, durably. No checkpoint is under way meanwhile, and
    /// everything in the backend is of the last one.
    ///
    /// # Errors
    /// As [`Relocation::copy_slice`].
    pub fn finish(mut self) -> Result<(), BackendError> {
        self.look()?;
        while self.copy_slice()? > 0 {}
        let there: BTreeSet<BlockId> = self.blocks()?.into_iter().collect();
        if let Some(id) = there.difference(&self.copied).next() {
            return Err(BackendError::Read {
                path: format!("block {id}").into(),
                source: io::Error::new(io::ErrorKind::InvalidData, "one of its parts is missing"),
            });
        }
        let mut batch = Batch::new();
        for id in self.copied.difference(&there) {
            batch.delete(name(PartKind::Keys, *id));
            batch.delete(name(PartKind::Values, *id));
        }
        self.flush(batch)?;
        let (keys, _) = bounds(PartKind::Keys);
        let (_, after_values) = bounds(PartKind::Values);
        self.copy_range(&[], keys)?;
        self.copy_range(after_values, &[u8::MAX])
    }

    fn blocks(&self) -> Result<Vec<BlockId>, BackendError> {
        let mut there = Vec::new();
        let (from, to) = bounds(PartKind::Info);
        self.from.scan(from, to, &mut |name, _| {
            there.extend(parse(name));
            ControlFlow::Continue(())
        })?;
        Ok(there)
    }

    /// Copies all pairs of an interval.
    fn copy_range(&self, from: &[u8], to: &[u8]) -> Result<(), BackendError> {
        let mut next = from.to_vec();
        loop {
            let mut batch = Batch::new();
            let mut last = None;
            self.from.scan(&next, to, &mut |key, value| {
                batch.put(key.to_vec(), value.to_vec());
                if batch.bytes() < self.slice_bytes {
                    return ControlFlow::Continue(());
                }
                last = Some(key.to_vec());
                ControlFlow::Break(())
            })?;
            self.flush(batch)?;
            let Some(last) = last else { return Ok(()) };
            next = last;
            next.push(0);
        }
    }

    fn flush(&self, batch: Batch) -> Result<(), BackendError> {
        if batch.is_empty() {
            return Ok(());
        }
        self.to.write(batch)?;
        self.to.flush()
    }
}

impl Rows {
    /// Goes on in another backend, which has everything of the last checkpoint and nothing else. Views made before
    /// read on in the one before.
    ///
    /// # Panics
    /// If a checkpoint is under way: it would be written to the wrong place.
    pub(crate) fn move_to(&mut self, backend: Arc<dyn Backend>) {
        assert!(self.running.is_none(), "a checkpoint is under way");
        let next_number = self.view.source.next_number();
        let source = BlockSource::new(backend, self.options.cache_bytes, next_number);
        self.view.source = Arc::new(source);
        // What nobody needs any more was left behind.
        self.graves.clear();
        self.chores.unused.clear();
        self.chores.stale.clear();
    }
}
