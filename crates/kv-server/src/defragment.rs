//! Returns space that the store does not use to the disk, by copying what it uses into a new generation. Reads, writes
//! and checkpoints go on meanwhile.
//!
//! Until the new generation is promoted the old one is what a restart opens, and a new one that was not promoted is
//! removed then. At that moment both hold the same checkpoint, and the log what came after.

use std::sync::Arc;

use kv_machine::MachineError;
use kv_mvcc::Relocation;
use thiserror::Error;

use crate::maintenance;
use crate::replica::Replica;

/// Rounds of copying while checkpoints go on: each has less to do than the one before.
const ROUNDS_MAX: usize = 10;

/// With so few blocks missing, checkpoints wait for the rest to be copied.
const BLOCKS_LEFT_MAX: usize = 64;

/// Checkpoints that pack blocks anew before they are copied.
const PACKINGS_MAX: usize = 64;

/// Why space could not be returned. Nothing has changed then.
#[derive(Debug, Error)]
pub(crate) enum DefragmentError {
    #[error(transparent)]
    Store(#[from] MachineError),
    #[error("interrupted: the member is stopping, or takes over a snapshot of its leader")]
    Interrupted,
}

impl From<kv_backend::BackendError> for DefragmentError {
    fn from(error: kv_backend::BackendError) -> Self {
        Self::Store(error.into())
    }
}

impl From<kv_backend::OpenError> for DefragmentError {
    fn from(error: kv_backend::OpenError) -> Self {
        Self::Store(error.into())
    }
}

/// Blocks until it is done.
pub(crate) fn defragment(replica: &Replica) -> Result<(), DefragmentError> {
    let staging = replica.staging.lock();
    let interrupt = replica.interrupts();
    let go_on = || match replica.interrupts() == interrupt {
        true => Ok(()),
        false => Err(DefragmentError::Interrupted),
    };
    let before = replica.size_on_disk();
    pack(replica, go_on)?;
    let staged = replica.home().stage()?;
    let from = replica.machine().backend();
    let mut relocation = Relocation::new(from, Arc::clone(&staged), replica.slice_bytes());
    for _ in 0..ROUNDS_MAX {
        if relocation.look()? <= BLOCKS_LEFT_MAX {
            break;
        }
        while relocation.copy_slice()? > 0 {
            go_on()?;
        }
    }
    go_on()?;
    {
        let _maintaining = replica.maintaining.lock();
        relocation.finish()?;
        let mut machine = replica.machine();
        replica.home().promote()?;
        machine.move_to(staged);
        replica.show(&machine);
    }
    drop(staging);
    // The snapshot for other members is the last that holds on to the old generation.
    let written = maintenance::checkpoint(replica)?;
    replica.pin(written.snapshot);
    tracing::info!(
        before,
        after = replica.size_on_disk(),
        "returned unused space to the disk"
    );
    Ok(())
}

/// Drops what compactions left over, and packs blocks of which little is live.
fn pack(replica: &Replica, go_on: impl Fn() -> Result<(), DefragmentError>) -> Result<(), DefragmentError> {
    maintenance::collect_garbage(replica);
    for _ in 0..PACKINGS_MAX {
        if !maintenance::checkpoint(replica)?.more {
            break;
        }
        go_on()?;
    }
    Ok(())
}

#[cfg(test)]
mod tests;
