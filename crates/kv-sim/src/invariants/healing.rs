//! After faults stop, the cluster serves and its members are equal again within a bound. Liveness of Raft under its
//! timing assumption (Raft paper, section 5.6); the bound is the project's.

use std::time::Duration;

use crate::violation::{Verdict, require};

/// Two rounds of elections, a snapshot, and what a client may wait for an answer that is lost (the request timeout).
pub(crate) const HEAL_TIME_MAX: Duration = Duration::from_secs(40);

pub(crate) fn in_time(took: Duration, state: impl FnOnce() -> String) -> Verdict {
    require(took <= HEAL_TIME_MAX, "healing", || {
        format!("not healed {took:?} after the last fault: {}", state())
    })
}
