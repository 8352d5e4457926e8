use bytes::Bytes;
use kv_wal::ReadError;
use kv_wal::faulty::FaultyStorage;
use proptest::prelude::*;

use crate::common::{Manual, Model, Outcome, Step, entry_of};

#[derive(Clone, Debug)]
enum Action {
    Append {
        count: u64,
        length: usize,
    },
    /// Keeps this many of 100 parts of the log.
    Truncate(u64),
    TruncateAll,
    /// Of 100 parts; more reach beyond the end.
    Purge(u64),
    Vote(u8),
    Committed(u8),
    Write,
    Reopen,
    CloseAndReopen,
    Read {
        from: u64,
        count: u64,
        bytes_max: usize,
    },
}

fn action() -> impl Strategy<Value = Action> {
    prop_oneof![
        6 => (1..8_u64, 0..900_usize).prop_map(|(count, length)| Action::Append { count, length }),
        1 => (1..3_u64, 4000..9000_usize).prop_map(|(count, length)| Action::Append { count, length }),
        2 => (0..100_u64).prop_map(Action::Truncate),
        1 => Just(Action::TruncateAll),
        2 => (0..130_u64).prop_map(Action::Purge),
        1 => any::<u8>().prop_map(Action::Vote),
        1 => any::<u8>().prop_map(Action::Committed),
        4 => Just(Action::Write),
        1 => Just(Action::Reopen),
        1 => Just(Action::CloseAndReopen),
        4 => (0..40_u64, 0..40_u64, 0..5000_usize)
            .prop_map(|(from, count, bytes_max)| Action::Read { from, count, bytes_max }),
    ]
}

struct Pair {
    log: Manual,
    model: Model,
    committed: Option<Bytes>,
    round: u64,
}

impl Pair {
    fn run(&mut self, action: &Action) {
        self.round += 1;
        let Model { first, end, .. } = self.model;
        let part = |percent: u64| first + (end - first) * percent / 100;
        match action {
            Action::Append { count, length } => {
                let start = if self.model.entries.is_empty() && self.model.purged.is_none() {
                    end + self.round % 3
                } else {
                    end
                };
                let entries = (start..start + count).map(|index| entry_of(index, *length, self.round));
                let entries: Vec<_> = entries.collect();
                self.log
                    .wal
                    .append(entries.clone(), Box::new(|result| result.unwrap()));
                entries
                    .into_iter()
                    .for_each(|entry| self.model.apply(&Step::Push(entry)));
            }
            Action::Truncate(percent) => self.truncate(part(*percent).checked_sub(1)),
            Action::TruncateAll => self.truncate(None),
            Action::Purge(percent) => {
                let marker = Bytes::from(self.round.to_string());
                let up_to = part(*percent) + u64::from(*percent > 100);
                self.log
                    .wal
                    .purge(up_to, marker.clone(), Box::new(|result| result.unwrap()));
                self.model.apply(&Step::Purge(up_to, marker));
            }
            Action::Vote(vote) => {
                let vote = Bytes::from(vec![*vote; 9]);
                self.log
                    .wal
                    .save_vote(vote.clone(), Box::new(|result| result.unwrap()));
                self.model.apply(&Step::Vote(vote));
            }
            Action::Committed(committed) => {
                let committed = Bytes::from(vec![*committed; 5]);
                self.log.wal.save_committed(committed.clone()).unwrap();
                self.committed = Some(committed);
            }
            Action::Write => self.log.step_all(),
            Action::Reopen => {
                // A vote takes the committed index along.
                self.run(&Action::Vote(1));
                self.log.step_all();
                let storage = FaultyStorage::new();
                let log = std::mem::replace(&mut self.log, Manual::open(&storage));
                self.log = log.reopen();
                self.check_recovery();
            }
            Action::CloseAndReopen => {
                let storage = FaultyStorage::new();
                let log = std::mem::replace(&mut self.log, Manual::open(&storage));
                self.log = Manual::open(&log.close());
                self.check_recovery();
            }
            Action::Read {
                from,
                count,
                bytes_max,
            } => self.read(first + from, *count, *bytes_max),
        }
        let state = self.log.wal.state();
        assert_eq!((state.first, state.end), (self.model.first, self.model.end));
        assert_eq!(state.committed, self.committed);
    }

    fn truncate(&mut self, after: Option<u64>) {
        self.log
            .wal
            .truncate_after(after, Box::new(|result| result.unwrap()));
        self.model.apply(&Step::TruncateAfter(after));
    }

    fn check_recovery(&self) {
        assert_eq!(self.log.recovered.repaired, []);
        assert!(!self.log.recovered.created);
        assert_eq!(self.log.contents(), self.model);
    }

    fn read(&self, from: u64, count: u64, bytes_max: usize) {
        let found = self.log.wal.read(from..from + count, bytes_max).unwrap();
        let mut bytes = 0;
        let mut wanted = Vec::new();
        for (index, payload) in self.model.entries.range(from..from + count) {
            bytes += payload.len();
            if bytes > bytes_max && !wanted.is_empty() && bytes > payload.len() {
                break;
            }
            wanted.push((*index, payload.clone()));
        }
        let found: Vec<_> = found
            .into_iter()
            .map(|entry| (entry.index, entry.payload))
            .collect();
        assert_eq!(found, wanted);
        if let Some(gone) = self.model.first.checked_sub(1) {
            let error = self.log.wal.read(gone..gone + 5, bytes_max).unwrap_err();
            assert!(matches!(error, ReadError::Purged { .. }), "{error}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn log_holds_what_a_map_would(actions in prop::collection::vec(action(), 1..80)) {
        let log = Manual::open(&FaultyStorage::new());
        let mut pair = Pair { log, model: Model::default(), committed: None, round: 0 };
        for action in &actions {
            pair.run(action);
        }
        prop_assert_eq!(pair.log.contents(), pair.model.clone());
        pair.run(&Action::Reopen);
    }
}

#[test]
fn an_entry_that_does_not_follow_is_refused_and_changes_nothing() {
    let mut log = Manual::open(&FaultyStorage::new());
    log.append(5..8, 10).unwrap();
    for wrong in [4, 7, 9] {
        let outcome = Outcome::default();
        log.wal.append(vec![entry_of(wrong, 10, 1)], outcome.callback());
        let error = outcome.get().unwrap().unwrap_err();
        assert_eq!(
            error.to_string(),
            format!("log entry {wrong} does not follow the log, which expects 8")
        );
    }
    let outcome = Outcome::default();
    log.wal
        .append(vec![entry_of(8, 10, 1), entry_of(10, 10, 1)], outcome.callback());
    assert!(outcome.get().unwrap().is_err());
    assert_eq!(log.wal.range(), 5..8);
}

#[test]
fn a_purged_log_takes_only_the_entry_after_the_purge() {
    let mut log = Manual::open(&FaultyStorage::new());
    log.wal.purge(
        99,
        Bytes::from_static(b"snapshot"),
        Box::new(|result| result.unwrap()),
    );
    log.step_all();
    assert!(log.append(1..2, 10).is_err());
    log.append(100..103, 10).unwrap();
    let log = log.reopen();
    assert_eq!(log.wal.range(), 100..103);
    assert_eq!(log.contents().purged, Some((99, Bytes::from_static(b"snapshot"))));
}

#[test]
fn requests_that_change_nothing_are_answered_in_their_turn() {
    let mut log = Manual::open(&FaultyStorage::new());
    log.append(1..3, 10).unwrap();
    let syncs = log.wal.stats().syncs;
    let outcomes: Vec<Outcome> = (0..4).map(|_| Outcome::default()).collect();
    log.wal.append(Vec::new(), outcomes[0].callback());
    log.wal.truncate_after(Some(2), outcomes[1].callback());
    log.wal.truncate_after(Some(7), outcomes[2].callback());
    log.wal.barrier(outcomes[3].callback());
    assert!(outcomes.iter().all(|outcome| outcome.get().is_none()));
    log.step_all();
    assert!(
        outcomes
            .iter()
            .all(|outcome| matches!(outcome.get(), Some(Ok(()))))
    );
    assert_eq!(log.wal.stats().syncs, syncs, "nothing to sync");
}

#[test]
fn committed_index_never_causes_a_sync_of_its_own() {
    let mut log = Manual::open(&FaultyStorage::new());
    let syncs = log.wal.stats().syncs;
    log.wal.save_committed(Bytes::from_static(b"old")).unwrap();
    log.wal.save_committed(Bytes::from_static(b"new")).unwrap();
    assert!(!log.driver.step());
    log.append(1..2, 10).unwrap();
    assert_eq!(log.wal.stats().syncs, syncs + 1);
    assert_eq!(
        log.reopen().recovered.state.committed,
        Some(Bytes::from_static(b"new"))
    );
}

#[test]
fn purged_segments_are_used_again_and_the_directory_stays_small() {
    let mut log = Manual::open(&FaultyStorage::new());
    for start in (1..2000).step_by(5) {
        log.append(start..start + 5, 300).unwrap();
        let marker = Bytes::from(start.to_string());
        log.wal.purge(start, marker, Box::new(|result| result.unwrap()));
        log.step_all();
    }
    let names = kv_wal::Storage::list(&log.storage).unwrap();
    assert!(names.len() <= 4, "{names:?}");
    let stats = log.wal.stats();
    assert!(
        stats.segments_begun > 50 && stats.segments_created < 6,
        "{stats:?}"
    );
    let log = log.reopen();
    assert_eq!(log.recovered.repaired, []);
    assert_eq!(log.wal.range(), 1997..2001);
    log.contents();
}
