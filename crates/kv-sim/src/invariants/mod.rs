//! What must always hold, one file each, with its source.

pub(crate) mod acknowledged;
pub(crate) mod applied_committed;
pub(crate) mod healing;
pub(crate) mod leader_completeness;
pub(crate) mod leases;
pub(crate) mod log_matching;
pub(crate) mod membership;
pub(crate) mod reads;
pub(crate) mod revisions;
pub(crate) mod state_hash;
pub(crate) mod state_machine_safety;
pub(crate) mod vote_durability;
pub(crate) mod watches;
