use kv_mvcc::View;
use kv_types::{LeaseId, LogId};

use crate::cluster::Member;
use crate::machine::Machine;
use crate::upkeep::Alarm;

/// The whole state after one entry, for reading while later ones are applied.
#[derive(Clone, Debug)]
pub struct Frozen {
    /// The entry.
    pub applied: Option<LogId>,
    /// The members, ascending by ID.
    pub members: Vec<Member>,
    /// The leases, ascending by ID, with their time to live in seconds.
    pub leases: Vec<(LeaseId, i64)>,
    /// The alarms that are raised.
    pub alarms: Vec<Alarm>,
    /// The version that the cluster is being downgraded to.
    pub downgrade: Option<String>,
    /// The revisions.
    pub view: View,
}

impl Machine {
    /// The state as it is now. Costs a copy of everything but the rows.
    pub fn freeze(&self) -> Frozen {
        let mut leases: Vec<_> = self.lessor.iter().collect();
        leases.sort_unstable();
        Frozen {
            applied: self.applied,
            members: self.members(),
            leases,
            alarms: self.alarms(),
            downgrade: self.downgrade(),
            view: self.view(),
        }
    }
}
