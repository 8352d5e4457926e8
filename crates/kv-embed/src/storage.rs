//! Opens what a member keeps on disk, and sees that its parts fit together.

use std::sync::Arc;
use std::time::Duration;

use kv_backend::SledHome;
use kv_mvcc::StoreOptions;
use kv_raft::StateMachine;
use kv_server::{MachineError, Replica};
use kv_wal::{Recovered, Wal};

use crate::data_dir::{DataDir, Identity};
use crate::error::StartError;
use crate::log_gauge::Syncs;

/// Requests the log queues: more than Raft has under way, so that Raft never waits for room.
const LOG_QUEUE_BYTES: usize = 256 << 20;

/// While the disk is full, the log tries again this often.
const FULL_DISK_RETRY: Duration = Duration::from_millis(500);

/// Opens the log and the store of a member, and says whose they are in a new directory. A damaged store is set
/// aside if the log has everything that was in it; nothing is removed.
pub(crate) async fn open(
    data_dir: &DataDir,
    identity: Identity,
    syncs: Arc<Syncs>,
    progress_interval: Duration,
) -> Result<(Wal, Arc<Replica>), StartError> {
    let is_new = data_dir.identity()?.is_none();
    let (wal, recovered) = open_wal(data_dir, syncs, is_new).await?;
    let purged = recovered.state.purged.as_ref().map(|purged| purged.up_to);
    let replica = open_or_renew(data_dir, purged, progress_interval).await?;
    let applied = replica.applied().log_id.map(|log_id| log_id.index.get());
    if is_new && (is_used(&recovered) || applied.is_some()) {
        return Err(StartError::IdentityMissing {
            path: data_dir.identity_path(),
        });
    }
    if let Some(purged) = purged.filter(|purged| applied < Some(*purged)) {
        return Err(StartError::StoreBehindLog {
            dir: data_dir.db(),
            applied,
            purged,
        });
    }
    // Last, so that a directory with an identity has a log.
    if is_new {
        data_dir.set_identity(identity)?;
    }
    Ok((wal, Arc::new(replica)))
}

/// Whether a log has ever held anything.
fn is_used(recovered: &Recovered) -> bool {
    recovered.state.vote.is_some() || recovered.state.end > 0
}

/// A member that lost its log must not go on as if it had promised nothing: only a new one gets a log.
async fn open_wal(
    data_dir: &DataDir,
    syncs: Arc<Syncs>,
    is_new: bool,
) -> Result<(Wal, Recovered), StartError> {
    let dir = data_dir.wal();
    let options = kv_wal::Options {
        create: is_new,
        full_disk_retry: Some(FULL_DISK_RETRY),
        queue_bytes: LOG_QUEUE_BYTES,
        observer: Some(syncs),
        ..kv_wal::Options::default()
    };
    let opening = dir.clone();
    let opened = blocking(move || Wal::open(&opening, options)).await;
    let (wal, recovered) = opened.map_err(|source| match source {
        kv_wal::OpenError::Missing { directory } => StartError::LogMissing { dir: directory },
        source => StartError::Log { dir, source },
    })?;
    for repaired in &recovered.repaired {
        tracing::warn!(
            file = %repaired.file.display(),
            offset = repaired.offset,
            bytes = repaired.bytes,
            "removed an unfinished write from the end of the log; it was never acknowledged"
        );
    }
    Ok((wal, recovered))
}

/// Opens the store; if it is damaged, an empty one in its place.
async fn open_or_renew(
    data_dir: &DataDir,
    purged: Option<u64>,
    progress_interval: Duration,
) -> Result<Replica, StartError> {
    let opened = match open_replica(data_dir, progress_interval).await {
        Err(source) if source.is_damage() => {
            set_store_aside(data_dir, purged, source)?;
            open_replica(data_dir, progress_interval).await
        }
        opened => opened,
    };
    opened.map_err(|source| StartError::Store {
        dir: data_dir.db(),
        source,
    })
}

async fn open_replica(data_dir: &DataDir, progress_interval: Duration) -> Result<Replica, MachineError> {
    let home = Arc::new(SledHome::new(data_dir.db()));
    blocking(move || Replica::open(home, StoreOptions::default(), progress_interval)).await
}

/// The log will be applied to an empty store, if it holds all that was ever applied. If not, another member's
/// snapshot would do, but Raft has no way to ask for one: a leader sends it to a member without the entries, and
/// this one has acknowledged them.
fn set_store_aside(data_dir: &DataDir, purged: Option<u64>, source: MachineError) -> Result<(), StartError> {
    let dir = data_dir.db();
    if let Some(purged) = purged {
        return Err(StartError::StoreLost { dir, purged, source });
    }
    let aside = data_dir.set_store_aside()?;
    tracing::warn!(
        error = %source,
        path = %dir.display(),
        aside = %aside.display(),
        "the store is damaged: set it aside, making it anew from the log"
    );
    Ok(())
}

/// Runs what reads and writes files off the runtime.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done,
        Err(error) => std::panic::resume_unwind(error.into_panic()),
    }
}

#[cfg(test)]
mod tests;
