use std::sync::Arc;

use kv_raft::{Raft, Status};
use kv_server::{Running, Server};
use kv_types::{MemberId, Revision, Term};
use kv_wal::Wal;
use tokio::sync::watch;

use crate::disk::Disk;
use crate::invariants::log_matching::Log;

/// The place of a member, which runs or not.
pub(crate) struct Seat {
    pub(crate) disk: Disk,
    pub(crate) life: Option<Life>,
    pub(crate) starting: bool,
    /// Whether it was added to a cluster that existed.
    pub(crate) joined: bool,
    /// Whether it is never started again: it was removed, or its disk is lost.
    pub(crate) retired: bool,
    /// Counts starts.
    pub(crate) lives: u64,
    /// The greatest vote this member had when it went down.
    pub(crate) vote: (Term, MemberId),
    /// The highest compaction that was acknowledged here, in this life.
    pub(crate) compacted: Revision,
    /// The leadership that was last checked to be complete.
    pub(crate) led: (Term, MemberId),
}

/// A member that runs.
pub(crate) struct Life {
    pub(crate) number: u64,
    pub(crate) running: Running,
    pub(crate) raft: Raft,
    pub(crate) wal: Wal,
    pub(crate) down: watch::Sender<bool>,
}

/// What clients have of a member that runs.
#[derive(Clone)]
pub(crate) struct Door {
    pub(crate) id: u64,
    pub(crate) server: Server,
    pub(crate) down: watch::Receiver<bool>,
}

impl Seat {
    pub(crate) fn new(disk: Disk) -> Self {
        Self {
            disk,
            life: None,
            starting: false,
            joined: false,
            retired: false,
            lives: 0,
            vote: Default::default(),
            compacted: Revision::ZERO,
            led: Default::default(),
        }
    }

    pub(crate) fn status(&self) -> Option<Status> {
        Some(self.life.as_ref()?.raft.status())
    }

    pub(crate) fn door(&self, id: u64) -> Option<Door> {
        let life = self.life.as_ref()?;
        Some(Door {
            id,
            server: life.running.server(),
            down: life.down.subscribe(),
        })
    }

    /// The log as it is in memory.
    pub(crate) fn log(&self) -> Option<Log> {
        let wal = &self.life.as_ref()?.wal;
        let entries = wal.read(wal.range(), usize::MAX).ok()?;
        Some(
            entries
                .into_iter()
                .map(|entry| (entry.index, entry.payload))
                .collect(),
        )
    }
}

/// What the server asks of the log.
pub(crate) struct Gauge(pub(crate) Wal);

impl kv_server::LogGauge for Gauge {
    fn is_disk_full(&self) -> bool {
        self.0.health() == kv_wal::Health::DiskFull
    }

    fn syncs(&self) -> kv_types::HistogramSnapshot {
        kv_server::disk_histogram().snapshot()
    }

    fn written_bytes(&self) -> u64 {
        0
    }
}

/// Shared by all members of a simulation.
pub(crate) type Seats = Arc<parking_lot::Mutex<std::collections::BTreeMap<u64, Seat>>>;
