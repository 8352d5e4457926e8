use std::sync::Arc;

use kv_auth::AuthStore;
use kv_backend::{Backend, Batch};
use kv_mvcc::{CheckpointPlan, Fill, Finished, View};
use kv_types::LogId;
use kv_types::planted::{Bug, is_planted};

use crate::error::MachineError;
use crate::machine::Machine;
use crate::{auth_records, records, snapshot};

/// Everything a member has applied up to one log entry, on its way into the backend.
///
/// Made by [`Machine::plan_checkpoint`], which is short; written by [`Checkpoint::write`] without the machine;
/// then handed back to [`Machine::finish_checkpoint`]. The log may be purged up to [`Checkpoint::applied`] only
/// after the last step.
pub struct Checkpoint {
    pub(crate) plan: CheckpointPlan,
    pub(crate) view: View,
    pub(crate) applied: Option<LogId>,
    pub(crate) state: Vec<u8>,
    pub(crate) upkeep: Vec<u8>,
    /// Leases changed since the last completed checkpoint, with their time to live unless they ended.
    pub(crate) leases: Vec<(kv_types::LeaseId, Option<i64>)>,
    pub(crate) auth: Arc<AuthStore>,
    /// The auth state of the last completed checkpoint.
    pub(crate) auth_recorded: Arc<AuthStore>,
    pub(crate) header: snapshot::Header,
    backend: Arc<dyn Backend>,
}

impl Checkpoint {
    /// The last entry whose effects are in it.
    pub fn applied(&self) -> Option<LogId> {
        self.applied
    }

    /// Writes it and makes it durable. Blocks may go ahead in flushes of their own, so that none is large; the
    /// last flush makes all of it count at once.
    ///
    /// # Errors
    /// [`MachineError::Backend`]: the state on disk is still the previous checkpoint or already this one; the
    /// checkpoint must not be finished, and a later one repeats what it holds. Others mean damage.
    pub fn write(&mut self) -> Result<(), MachineError> {
        let mut batch = loop {
            let mut batch = Batch::new();
            match self.plan.fill(&mut batch)? {
                Fill::Last => break batch,
                Fill::Partial => {
                    self.backend.write(batch)?;
                    self.backend.flush()?;
                }
            }
        };
        for (id, ttl) in &self.leases {
            records::put_lease(&mut batch, *id, *ttl);
        }
        if !Arc::ptr_eq(&self.auth, &self.auth_recorded) {
            auth_records::put_auth(&mut batch, &self.auth, &self.auth_recorded);
        }
        records::put_state(&mut batch, self.state.clone());
        records::put_upkeep(&mut batch, self.upkeep.clone());
        self.backend.write(batch)?;
        self.backend.flush()?;
        Ok(())
    }
}

impl Machine {
    /// Gathers what a checkpoint of the present state has to write. After a failed one the backend is made to
    /// accept writes again first, which is not short then.
    ///
    /// # Errors
    /// [`MachineError::Open`] while the cause of that failure stands.
    pub fn plan_checkpoint(&mut self) -> Result<Checkpoint, MachineError> {
        self.backend.reopen()?;
        let leases: Vec<_> = self.lessor.dirty().map(|id| (id, self.lessor.ttl(id))).collect();
        Ok(Checkpoint {
            plan: self.store.begin_checkpoint(),
            view: self.store.view(),
            applied: self.applied,
            state: records::encode_state(self.claimed(), &self.cluster),
            upkeep: self.upkeep.encode(),
            leases,
            auth: Arc::clone(&self.auth),
            auth_recorded: Arc::clone(&self.auth_recorded),
            header: snapshot::Header::of(self),
            backend: Arc::clone(&self.backend),
        })
    }

    /// The last entry that a checkpoint says it holds.
    fn claimed(&self) -> Option<LogId> {
        if is_planted(Bug::CheckpointRunsAhead) {
            return self.applied.map(|applied| LogId {
                index: applied.index.next(),
                ..applied
            });
        }
        self.applied
    }

    /// Takes note that a checkpoint has been written: what it holds need not stay in memory. What is returned
    /// frees that memory when it is dropped: where it stops nobody.
    pub fn finish_checkpoint(&mut self, checkpoint: Checkpoint) -> Finished {
        let Checkpoint {
            plan, leases, auth, ..
        } = checkpoint;
        self.auth_recorded = auth;
        self.lessor.clean(leases.iter().map(|(id, ttl)| (*id, *ttl)));
        self.store.finish_checkpoint(plan)
    }
}
