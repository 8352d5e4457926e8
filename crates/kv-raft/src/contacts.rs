use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use kv_types::MemberId;
use tokio::time::Instant;

/// Since when the members answer this one, as far as a leader can tell.
pub(crate) struct Contacts {
    /// When this member started.
    started: Instant,
    office: Option<Office>,
}

struct Office {
    term: u64,
    since: Instant,
    answering_since: BTreeMap<u64, Instant>,
    /// Of whom nothing can be said yet.
    unheard: BTreeSet<u64>,
}

impl Contacts {
    pub(crate) fn new(now: Instant) -> Self {
        Self {
            started: now,
            office: None,
        }
    }

    /// Notes who has answered of late, `settling` being the time in which a new leader hears of everyone that is up:
    /// those were up before it led, and of the `others` none is taken for gone meanwhile. Without a `term` this member
    /// does not lead and knows nothing.
    pub(crate) fn note(
        &mut self,
        now: Instant,
        term: Option<u64>,
        settling: Duration,
        others: impl Iterator<Item = u64>,
        answering: impl Iterator<Item = u64>,
    ) {
        let Some(term) = term else {
            self.office = None;
            return;
        };
        let before = self.office.take().filter(|office| office.term == term);
        let office = before.unwrap_or_else(|| Office {
            term,
            since: now,
            answering_since: BTreeMap::new(),
            unheard: BTreeSet::new(),
        });
        let settled = now.saturating_duration_since(office.since) > settling;
        let first = if settled { now } else { self.started };
        let since = |id| (id, office.answering_since.get(&id).copied().unwrap_or(first));
        let answering_since: BTreeMap<_, _> = answering.map(since).collect();
        let unheard = others.filter(|id| !settled && !answering_since.contains_key(id));
        self.office = Some(Office {
            term,
            since: office.since,
            unheard: unheard.collect(),
            answering_since,
        });
    }

    /// For how long each that answers has done so; one of which nothing can be said yet, for no time.
    pub(crate) fn connected(&self, now: Instant) -> BTreeMap<MemberId, Duration> {
        let since = self.office.iter().flat_map(|office| {
            let unheard = office.unheard.iter().map(|id| (*id, now));
            unheard.chain(office.answering_since.iter().map(|(id, since)| (*id, *since)))
        });
        since
            .map(|(id, since)| (MemberId::new(id), now.saturating_duration_since(since)))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SETTLING: Duration = Duration::from_secs(1);

    #[test]
    fn who_was_up_before_counts_from_the_start_and_who_comes_later_from_then() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let connected = |contacts: &Contacts, seconds| -> Vec<_> {
            let connected = contacts.connected(at(seconds)).into_iter();
            connected.map(|(id, time)| (id.get(), time.as_secs())).collect()
        };
        let mut contacts = Contacts::new(start);
        contacts.note(at(20), Some(3), SETTLING, 2..5, [2].into_iter());
        // Nobody is taken for gone by one that has just begun to lead.
        assert_eq!(connected(&contacts, 20), [(2, 20), (3, 0), (4, 0)]);
        contacts.note(at(21), Some(3), SETTLING, 2..5, [2, 3].into_iter());
        contacts.note(at(22), Some(3), SETTLING, 2..5, [2, 3].into_iter());
        assert_eq!(connected(&contacts, 22), [(2, 22), (3, 22)]);
        contacts.note(at(23), Some(3), SETTLING, 2..5, [2, 3, 4].into_iter());
        assert_eq!(connected(&contacts, 24), [(2, 24), (3, 24), (4, 1)]);

        // One that was away begins anew.
        contacts.note(at(25), Some(3), SETTLING, 2..5, [2, 4].into_iter());
        contacts.note(at(26), Some(3), SETTLING, 2..5, [2, 3, 4].into_iter());
        assert_eq!(connected(&contacts, 27), [(2, 27), (3, 1), (4, 4)]);

        contacts.note(at(28), None, SETTLING, 2..5, std::iter::empty());
        assert_eq!(connected(&contacts, 28), []);
    }
}
