use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use kv_types::LeaseId;
use kv_types::planted::{Bug, is_planted};
use thiserror::Error;

/// Most leases offered for revocation within any one second, as in etcd: a storm of expiries must leave room
/// for other proposals.
pub const OFFERS_PER_SECOND_MAX: usize = 1000;

/// How long an offered lease is left alone before it is offered again, in case its revoke got lost.
pub const REVOKE_RETRY: Duration = Duration::from_secs(3);

const SECOND: Duration = Duration::from_secs(1);

/// This member does not lead, so it does not know when leases end; ask the leader.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("this member does not keep the time of leases")]
pub struct Demoted;

/// What became of a renewal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Renewal {
    /// The lease lives for its granted time again.
    Renewed {
        /// The granted time to live, in seconds.
        ttl_seconds: i64,
    },
    /// The lease has expired and is not revived. Its revoke is on the way: wait for it, then answer as for a
    /// lease that does not exist.
    Expired,
    /// There is no such lease.
    Unknown,
}

/// When each lease ends: soft state that the leader builds at its promotion and drops at its demotion.
///
/// Times are durations since any one fixed moment, the same for all calls. Nothing here is replicated, so a
/// lease is over only when the revoke that is proposed for it has been applied.
#[derive(Debug, Default)]
pub struct Expiry {
    promoted: bool,
    leases: BTreeMap<LeaseId, Deadline>,
    /// When to look at each lease next: at its end or, while a revoke is in flight, when to offer it again.
    /// Invariant: holds exactly `(deadline.due(), id)` for each of `leases`.
    queue: BTreeSet<(Duration, LeaseId)>,
    /// Offers of the last second: when, and how many.
    offers: VecDeque<(Duration, usize)>,
}

#[derive(Clone, Copy, Debug)]
struct Deadline {
    ttl_seconds: i64,
    end: Duration,
    /// When to offer it again if it is still there. Set while a revoke is in flight.
    retry: Option<Duration>,
}

impl Deadline {
    fn due(&self) -> Duration {
        self.retry.unwrap_or(self.end)
    }
}

impl Expiry {
    /// Not promoted.
    pub fn new() -> Self {
        Self::default()
    }

    /// Begins to keep time for these leases (id and time to live in seconds). Each gets its full time and
    /// `extend` on top, so that none ends early because leadership moved, and of those that would end in the
    /// same second all but [`OFFERS_PER_SECOND_MAX`] get as much more as spreads them out.
    pub fn promote(
        &mut self,
        leases: impl IntoIterator<Item = (LeaseId, i64)>,
        now: Duration,
        extend: Duration,
    ) {
        self.demote();
        self.promoted = true;
        let base = now.saturating_add(extend);
        let mut ends: Vec<_> = leases
            .into_iter()
            .map(|(id, ttl)| (base.saturating_add(seconds(ttl)), id, ttl))
            .collect();
        ends.sort_unstable();
        for at in 0..ends.len() {
            if let Some(before) = at.checked_sub(OFFERS_PER_SECOND_MAX) {
                ends[at].0 = ends[at].0.max(ends[before].0.saturating_add(SECOND));
            }
            let (end, id, ttl_seconds) = ends[at];
            self.set(
                id,
                Deadline {
                    ttl_seconds,
                    end,
                    retry: None,
                },
            );
        }
    }

    /// Forgets everything: somebody else leads.
    pub fn demote(&mut self) {
        *self = Self::default();
    }

    /// Whether time is being kept here.
    pub fn is_promoted(&self) -> bool {
        self.promoted
    }

    /// A grant has been applied. Nothing happens on a member that is not promoted.
    pub fn granted(&mut self, id: LeaseId, ttl_seconds: i64, now: Duration) {
        if self.promoted {
            let end = now.saturating_add(seconds(ttl_seconds));
            self.set(
                id,
                Deadline {
                    ttl_seconds,
                    end,
                    retry: None,
                },
            );
        }
    }

    /// A revoke has been applied.
    pub fn revoked(&mut self, id: LeaseId) {
        if let Some(deadline) = self.leases.remove(&id) {
            self.queue.remove(&(deadline.due(), id));
        }
    }

    /// Gives a lease that has not expired its granted time again, from `now`.
    ///
    /// # Errors
    /// [`Demoted`] if time is not kept here.
    pub fn renew(&mut self, id: LeaseId, now: Duration) -> Result<Renewal, Demoted> {
        let Some(deadline) = self.deadline(id)? else {
            return Ok(Renewal::Unknown);
        };
        if deadline.end <= now {
            return Ok(Renewal::Expired);
        }
        let ttl_seconds = deadline.ttl_seconds;
        let end = if is_planted(Bug::LeaseEndedEarly) {
            deadline.end
        } else {
            now.saturating_add(seconds(ttl_seconds))
        };
        self.set(
            id,
            Deadline {
                ttl_seconds,
                end,
                retry: None,
            },
        );
        Ok(Renewal::Renewed { ttl_seconds })
    }

    /// Ends a lease now, if there is one and time is kept here: its revoke may be on the way from an earlier
    /// promotion, so it must not be renewed.
    pub fn end(&mut self, id: LeaseId, now: Duration) {
        if let Some(deadline) = self.leases.get(&id).copied() {
            let ended = Deadline {
                end: now.min(deadline.end),
                retry: None,
                ..deadline
            };
            self.set(id, ended);
        }
    }

    /// How long a lease still lives; zero if it has expired, `None` if there is no such lease.
    ///
    /// # Errors
    /// [`Demoted`] if time is not kept here.
    pub fn remaining(&self, id: LeaseId, now: Duration) -> Result<Option<Duration>, Demoted> {
        Ok(self
            .deadline(id)?
            .map(|deadline| deadline.end.saturating_sub(now)))
    }

    /// Leases to revoke, the longest overdue first: at most `max`, and at most [`OFFERS_PER_SECOND_MAX`] within
    /// any second. A lease given here is given again only if it is still there after [`REVOKE_RETRY`].
    pub fn expired(&mut self, now: Duration, max: usize) -> Vec<LeaseId> {
        while self
            .offers
            .front()
            .is_some_and(|(at, _)| at.saturating_add(SECOND) <= now)
        {
            self.offers.pop_front();
        }
        let offered: usize = self.offers.iter().map(|(_, count)| count).sum();
        let room = max.min(OFFERS_PER_SECOND_MAX.saturating_sub(offered));
        let due = self.queue.iter().take_while(|(due, _)| *due <= now).take(room);
        let ids: Vec<LeaseId> = due.map(|(_, id)| *id).collect();
        let retry = Some(now.saturating_add(REVOKE_RETRY));
        for id in &ids {
            let deadline = self.leases[id];
            self.set(*id, Deadline { retry, ..deadline });
        }
        if !ids.is_empty() {
            self.offers.push_back((now, ids.len()));
        }
        ids
    }

    /// Every lease, the one that ends first first.
    ///
    /// # Errors
    /// [`Demoted`] if time is not kept here.
    pub fn by_end(&self) -> Result<Vec<LeaseId>, Demoted> {
        if !self.promoted {
            return Err(Demoted);
        }
        let mut ends: Vec<_> = self
            .leases
            .iter()
            .map(|(id, deadline)| (deadline.end, *id))
            .collect();
        ends.sort_unstable();
        Ok(ends.into_iter().map(|(_, id)| id).collect())
    }

    fn deadline(&self, id: LeaseId) -> Result<Option<&Deadline>, Demoted> {
        if self.promoted {
            Ok(self.leases.get(&id))
        } else {
            Err(Demoted)
        }
    }

    fn set(&mut self, id: LeaseId, deadline: Deadline) {
        if let Some(old) = self.leases.insert(id, deadline) {
            self.queue.remove(&(old.due(), id));
        }
        self.queue.insert((deadline.due(), id));
    }
}

/// A time to live as a duration; one that is not positive is none.
fn seconds(ttl_seconds: i64) -> Duration {
    Duration::from_secs(u64::try_from(ttl_seconds).unwrap_or(0))
}

#[cfg(test)]
mod tests;
