//! A lease never ends by time before its time to live has passed since the last renewal that was answered, counted
//! from when the renewal was asked for. etcd's `server/lease/lessor.go`; etcd issue 15247.

use std::time::Duration;

use kv_types::LeaseId;

use crate::violation::{Verdict, require};

/// What is known of a lease.
#[derive(Clone, Debug, Default)]
pub(crate) struct Lease {
    /// Until when clients were promised that it lives.
    promised: Duration,
    /// When it ended, and whether its time was over.
    pub(crate) ended: Option<(Duration, bool)>,
}

impl Lease {
    /// A client was told at the end of a request that the lease lives so long from the beginning of the request on.
    pub(crate) fn promise(&mut self, id: LeaseId, until: Duration) -> Verdict {
        self.promised = self.promised.max(until);
        match self.ended {
            Some((ended, true)) => not_early(id, ended, until),
            _ => Ok(()),
        }
    }

    /// It ends, because its time is over or because somebody wanted so.
    pub(crate) fn ended(&mut self, id: LeaseId, now: Duration, by_time: bool) -> Verdict {
        self.ended = Some((now, by_time));
        if by_time {
            return not_early(id, now, self.promised);
        }
        Ok(())
    }
}

fn not_early(id: LeaseId, ended: Duration, promised: Duration) -> Verdict {
    require(ended >= promised, "lease not ended early", || {
        format!("lease {id} ended at {ended:?}, promised until {promised:?}")
    })
}
