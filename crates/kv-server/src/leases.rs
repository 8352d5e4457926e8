use std::time::Duration;

use bytes::Bytes;
use kv_lease::{Demoted, Expiry, Renewal};
use kv_machine::LeaseEffect;
use kv_types::LeaseId;
use parking_lot::Mutex;
use tokio::time::Instant;

/// What the leader says of a lease.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeaseTimeToLive {
    /// Whole seconds it still lives without a renewal.
    pub ttl_seconds: i64,
    /// Seconds a renewal gives it.
    pub granted_ttl_seconds: i64,
    /// The keys attached to it, if they were asked for.
    pub keys: Vec<Bytes>,
}

/// A lease that was granted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LeaseGranted {
    /// Its ID.
    pub id: LeaseId,
    /// Its time to live in seconds, which may be more than was asked for.
    pub ttl_seconds: i64,
}

/// The longest time to live that is accepted, in seconds.
pub(crate) const TTL_SECONDS_MAX: i64 = 9_000_000_000;

/// How often the leader looks for leases that have ended.
pub(crate) const EXPIRY_INTERVAL: Duration = Duration::from_millis(500);

/// The time to live a grant gives: what was asked for, but at least one and a half election timeouts, so that
/// a lease can outlive a change of leader.
pub(crate) fn granted_ttl(asked: i64, election_timeout: Duration) -> i64 {
    let millis = election_timeout.as_millis() * 3 / 2;
    let least = i64::try_from(millis.div_ceil(1000)).unwrap_or(i64::MAX);
    asked.max(least)
}

/// The leader's clock of leases; on other members it keeps nothing.
#[derive(Debug)]
pub(crate) struct LeaseClock {
    expiry: Mutex<Expiry>,
    epoch: Instant,
}

impl LeaseClock {
    pub(crate) fn new() -> Self {
        Self {
            expiry: Mutex::new(Expiry::new()),
            epoch: Instant::now(),
        }
    }

    fn now(&self) -> Duration {
        self.epoch.elapsed()
    }

    /// This member leads from now on, and has applied everything earlier leaders committed.
    pub(crate) fn promote(&self, leases: Vec<(LeaseId, i64)>, extend: Duration) {
        self.expiry.lock().promote(leases, self.now(), extend);
    }

    /// Somebody else leads, or nobody.
    pub(crate) fn demote(&self) {
        self.expiry.lock().demote();
    }

    /// What was applied to leases.
    pub(crate) fn applied(&self, effects: &[LeaseEffect]) {
        if effects.is_empty() {
            return;
        }
        let now = self.now();
        let mut expiry = self.expiry.lock();
        for effect in effects {
            match *effect {
                LeaseEffect::Granted(id, ttl_seconds) => expiry.granted(id, ttl_seconds, now),
                LeaseEffect::Revoked(id) => expiry.revoked(id),
            }
        }
    }

    pub(crate) fn renew(&self, id: LeaseId) -> Result<Renewal, Demoted> {
        self.expiry.lock().renew(id, self.now())
    }

    pub(crate) fn remaining(&self, id: LeaseId) -> Result<Option<Duration>, Demoted> {
        self.expiry.lock().remaining(id, self.now())
    }

    /// Leases to revoke now, some at a time.
    pub(crate) fn expired(&self, max: usize) -> Vec<LeaseId> {
        self.expiry.lock().expired(self.now(), max)
    }

    /// All leases by what they still have to live, if this member knows.
    pub(crate) fn by_end(&self) -> Option<Vec<LeaseId>> {
        self.expiry.lock().by_end().ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_times_are_raised_to_one_and_a_half_election_timeouts() {
        let second = Duration::from_secs(1);
        assert_eq!(
            [
                granted_ttl(1, second),
                granted_ttl(-5, second),
                granted_ttl(60, second)
            ],
            [2, 2, 60]
        );
        assert_eq!(granted_ttl(1, second * 5), 8);
    }
}
