use std::collections::VecDeque;
use std::sync::{Arc, OnceLock};

use kv_mvcc::Change;
use kv_types::Revision;

use crate::Event;
use crate::event::row_weight;

/// A change in the log of recent ones. Its event is made when the first watcher wants it.
#[derive(Debug)]
pub(crate) struct Logged {
    pub(crate) change: Change,
    event: OnceLock<Arc<Event>>,
}

impl Logged {
    pub(crate) fn new(change: Change) -> Self {
        Self {
            change,
            event: OnceLock::new(),
        }
    }

    pub(crate) fn event(&self) -> &Arc<Event> {
        self.event.get_or_init(|| Arc::new(Event::new(&self.change)))
    }

    pub(crate) fn revision(&self) -> Revision {
        self.change.row.revision.main
    }
}

/// What was applied at once: one or more whole revisions. Never changed, so it is read without any lock.
#[derive(Debug)]
pub(crate) struct Chunk {
    /// Never empty.
    pub(crate) changes: Box<[Logged]>,
    bytes: usize,
}

impl Chunk {
    pub(crate) fn new(changes: &[Change]) -> Self {
        let bytes = changes.iter().map(|change| row_weight(&change.row)).sum();
        Self {
            changes: changes.iter().cloned().map(Logged::new).collect(),
            bytes,
        }
    }

    pub(crate) fn first(&self) -> Revision {
        self.changes[0].revision()
    }

    pub(crate) fn last(&self) -> Revision {
        self.changes[self.changes.len() - 1].revision()
    }
}

/// The latest changes, up to the revision the hub is at: what most watchers that lag need, without the store.
#[derive(Debug)]
pub(crate) struct Recent {
    /// In order, without gaps.
    chunks: VecDeque<Arc<Chunk>>,
    changes: usize,
    bytes: usize,
    changes_max: usize,
    bytes_max: usize,
}

impl Recent {
    /// Holds as many of the latest changes as fit into both limits.
    pub(crate) fn new(changes_max: usize, bytes_max: usize) -> Self {
        Self {
            chunks: VecDeque::new(),
            changes: 0,
            bytes: 0,
            changes_max,
            bytes_max,
        }
    }

    /// Adds what follows the last chunk.
    pub(crate) fn push(&mut self, chunk: Arc<Chunk>) {
        self.changes += chunk.changes.len();
        self.bytes += chunk.bytes;
        self.chunks.push_back(chunk);
        while self.changes > self.changes_max || self.bytes > self.bytes_max {
            let Some(oldest) = self.chunks.pop_front() else {
                return;
            };
            self.changes -= oldest.changes.len();
            self.bytes -= oldest.bytes;
        }
    }

    pub(crate) fn clear(&mut self) {
        *self = Self::new(self.changes_max, self.bytes_max);
    }

    /// The chunks with the revisions from `from` to `to`, if all of them are held. The outer chunks may hold
    /// others too.
    pub(crate) fn slice(&self, from: Revision, to: Revision) -> Option<Vec<Arc<Chunk>>> {
        self.chunks.front().filter(|oldest| oldest.first() <= from)?;
        let start = self.chunks.partition_point(|chunk| chunk.last() < from);
        let chunks = self.chunks.range(start..);
        Some(
            chunks
                .take_while(|chunk| chunk.first() <= to)
                .map(Arc::clone)
                .collect(),
        )
    }
}
