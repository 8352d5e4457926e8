use std::sync::Arc;

use bytes::Bytes;
use kv_backend::Backend;
use kv_lease::Lessor;
use kv_mvcc::{Row, Store, StoreOptions};
use kv_types::{LeaseId, LogId, Revision};

use crate::cluster::{Cluster, Member, RaftMember};
use crate::codec::CodecError;
use crate::error::MachineError;
use crate::machine::{Machine, attach_keys};
use crate::upkeep::Upkeep;

/// A state on its way into an empty backend, row by row. Memory stays bounded: what has gathered is written now and
/// then.
pub struct Import {
    machine: Machine,
}

/// What a restored state is to be beside its rows.
#[derive(Clone, Debug)]
pub struct RestoredState {
    /// The entry it counts as the outcome of.
    pub applied: LogId,
    /// The Raft membership, as Raft encodes it.
    pub membership: Bytes,
    /// The same members; names are kept.
    pub members: Vec<Member>,
    /// The leases, with their time to live in seconds.
    pub leases: Vec<(LeaseId, i64)>,
}

impl Import {
    /// Begins with everything but the rows.
    ///
    /// # Errors
    /// [`MachineError`] if a lease is given twice, or the backend cannot be used.
    pub fn begin(
        backend: Arc<dyn Backend>,
        options: StoreOptions,
        state: RestoredState,
    ) -> Result<Self, MachineError> {
        let mut cluster = Cluster::default();
        let raft_members = state.members.iter().map(|member| RaftMember {
            id: member.id,
            peer_urls: member.peer_urls.clone(),
            learner: member.learner,
        });
        cluster.set_membership(state.membership, raft_members.collect());
        for member in state.members {
            cluster.publish(member.id, member.name, member.client_urls);
        }
        Ok(Self {
            machine: Machine {
                store: Store::open(Arc::clone(&backend), options)?,
                lessor: lessor_of(state.leases)?,
                cluster,
                upkeep: Upkeep::default(),
                auth: Arc::default(),
                auth_recorded: Arc::default(),
                applied: Some(state.applied),
                backend,
            },
        })
    }

    pub(crate) fn of(machine: Machine) -> Self {
        Self { machine }
    }

    /// Takes a further row, in order.
    ///
    /// # Errors
    /// [`MachineError`] if the row is out of order or the backend cannot be written.
    pub fn row(&mut self, row: Row) -> Result<(), MachineError> {
        self.machine.store.import_row(row)?;
        self.write_if_large()
    }

    pub(crate) fn chunk(&mut self, chunk: &Bytes) -> Result<(), MachineError> {
        self.machine.store.import_chunk(chunk)?;
        self.write_if_large()
    }

    /// Ends with everything durable in the backend.
    ///
    /// # Errors
    /// As [`Import::row`].
    pub fn finish(
        mut self,
        revision: Revision,
        compacted: Option<Revision>,
    ) -> Result<Machine, MachineError> {
        let machine = &mut self.machine;
        machine.store.finish_import(revision, compacted)?;
        attach_keys(&machine.store, &mut machine.lessor);
        self.checkpoint()?;
        Ok(self.machine)
    }

    fn write_if_large(&mut self) -> Result<(), MachineError> {
        if self.machine.store.view().recent_bytes() > IMPORT_BYTES_MAX {
            self.checkpoint()?;
        }
        Ok(())
    }

    fn checkpoint(&mut self) -> Result<(), MachineError> {
        let mut checkpoint = self.machine.plan_checkpoint()?;
        checkpoint.write()?;
        drop(self.machine.finish_checkpoint(checkpoint));
        Ok(())
    }
}

/// Rows held in memory before they are written, in bytes.
const IMPORT_BYTES_MAX: u64 = 8 * 1024 * 1024;

/// The lessor of leases none of which is given twice.
pub(crate) fn lessor_of(leases: Vec<(LeaseId, i64)>) -> Result<Lessor, MachineError> {
    let mut lessor = Lessor::new();
    for (id, ttl) in leases {
        lessor.grant(id, ttl).map_err(|_| MachineError::Record {
            record: "leases to be taken over",
            source: CodecError {
                what: "lease given twice",
                offset: 0,
            },
        })?;
    }
    Ok(lessor)
}
