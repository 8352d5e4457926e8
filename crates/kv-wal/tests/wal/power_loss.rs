//! Random requests, crashes with random loss, failing syncs and full disks: nothing acknowledged is lost.

use std::collections::VecDeque;

use bytes::Bytes;
use kv_wal::faulty::{FaultyStorage, Random};
use kv_wal::{Health, State};

use crate::common::{Manual, Model, Outcome, Step, entry_of};

const RUNS: u64 = 200;

#[test]
fn acknowledged_requests_survive_power_losses() {
    for seed in 0..RUNS {
        let result = std::panic::catch_unwind(|| Run::new(seed).run());
        assert!(result.is_ok(), "run with seed {seed} failed, see above");
    }
}

/// What a request was, and its answer.
struct Request {
    steps: Vec<Step>,
    outcome: Outcome,
}

struct Run {
    random: Random,
    log: Manual,
    /// After all acknowledged requests, and what was found durable beyond them.
    acked: Model,
    waiting: VecDeque<Request>,
    /// Of requests that failed since the last success: a recovery may bring back the beginning of one.
    failed: Vec<Vec<Step>>,
    /// The committed index as the log shows it, and the highest ever saved.
    committed: u64,
    committed_highest: u64,
    /// The last committed index that must be durable.
    committed_acked: u64,
    round: u64,
    faults: bool,
}

impl Run {
    fn new(seed: u64) -> Self {
        let mut random = Random::new(seed);
        let storage = FaultyStorage::new();
        if random.below(4) == 0 {
            storage.allocate_nothing();
        }
        Self {
            faults: random.below(2) == 0,
            random,
            log: Manual::open(&storage),
            acked: Model::default(),
            waiting: VecDeque::new(),
            failed: Vec::new(),
            committed: 0,
            committed_highest: 0,
            committed_acked: 0,
            round: 0,
        }
    }

    fn run(mut self) {
        for _ in 0..6 {
            let count = 1 + self.random.below(120);
            self.log.storage.power_off_after(count);
            for _ in 0..200 {
                if self.log.storage.is_off() || self.log.wal.health() != Health::Good && self.chance(10) {
                    break;
                }
                self.act();
            }
            self.crash();
        }
    }

    fn chance(&mut self, of: u64) -> bool {
        self.random.below(of) == 0
    }

    fn act(&mut self) {
        self.round += 1;
        match self.random.below(20) {
            0..=7 => self.append(),
            8 => self.truncate(),
            9 => self.purge(),
            10 => {
                let vote = Bytes::from(self.round.to_string());
                let callback = self.request(vec![Step::Vote(vote.clone())]);
                self.log.wal.save_vote(vote, callback);
            }
            11 => {
                let committed = Bytes::from((self.committed_highest + 1).to_string());
                if self.log.wal.save_committed(committed).is_ok() {
                    self.committed_highest += 1;
                    self.committed = self.committed_highest;
                }
            }
            12 if self.faults => {
                let pattern = self.random.next_u64() & self.random.next_u64() & 0xff;
                self.log.storage.fail_syncs(pattern);
            }
            13 if self.faults => {
                let free = if self.chance(2) {
                    None
                } else {
                    Some(self.random.below(5) * 4096)
                };
                self.log.storage.set_free(free);
            }
            14 => self.check_readable(),
            _ => self.step(),
        }
    }

    fn request(&mut self, steps: Vec<Step>) -> kv_wal::Callback {
        let outcome = Outcome::default();
        let callback = outcome.callback();
        self.waiting.push_back(Request { steps, outcome });
        callback
    }

    fn append(&mut self) {
        let State { end, .. } = self.log.wal.state();
        let length = if self.chance(12) { 5000 } else { 400 };
        let count = 1 + self.random.below(5);
        let entries: Vec<_> = (end..end + count)
            .map(|index| {
                let length = usize::try_from(self.random.below(length)).unwrap();
                entry_of(index, length, self.round)
            })
            .collect();
        let callback = self.request(entries.iter().cloned().map(Step::Push).collect());
        self.log.wal.append(entries, callback);
    }

    fn truncate(&mut self) {
        let State { first, end, .. } = self.log.wal.state();
        let after = (end - self.random.below(end - first + 1).min(6)).checked_sub(1);
        let callback = self.request(vec![Step::TruncateAfter(after)]);
        self.log.wal.truncate_after(after, callback);
    }

    fn purge(&mut self) {
        let State { first, end, .. } = self.log.wal.state();
        let up_to = first + self.random.below(end - first + 3);
        let marker = Bytes::from(self.round.to_string());
        let callback = self.request(vec![Step::Purge(up_to, marker.clone())]);
        self.log.wal.purge(up_to, marker, callback);
    }

    /// What readers see is all that was requested.
    fn check_readable(&self) {
        if self.log.storage.is_off() || self.waiting.iter().any(|request| request.outcome.get().is_some()) {
            return;
        }
        let steps: Vec<Step> = self
            .waiting
            .iter()
            .flat_map(|request| request.steps.clone())
            .collect();
        assert_eq!(self.log.contents(), self.acked.after(&steps));
    }

    fn step(&mut self) {
        self.log.driver.step();
        let mut wrote = false;
        while let Some(request) = self
            .waiting
            .pop_front_if(|request| matches!(request.outcome.get(), Some(Ok(()))))
        {
            let before = self.acked.clone();
            self.acked = before.after(&request.steps);
            wrote |= before != self.acked;
        }
        if wrote {
            self.failed.clear();
        }
        let fails = |request: &Request| matches!(request.outcome.get(), Some(Err(_)));
        if self.waiting.iter().any(fails) {
            self.settle_failure();
        } else if wrote {
            // The committed index goes last: it alone may have failed, and then went back.
            self.committed = committed_of(&self.log.wal.state());
            assert!(self.committed >= self.committed_acked);
            self.committed_acked = self.committed;
        }
    }

    /// A failure ends all that waits; the log is left at what is durable.
    fn settle_failure(&mut self) {
        let steps: Vec<Step> = self.waiting.drain(..).flat_map(|request| request.steps).collect();
        self.committed = committed_of(&self.log.wal.state());
        assert!(self.committed >= self.committed_acked);
        if self.log.storage.is_off() {
            self.failed.push(steps);
            return;
        }
        let found = self.log.contents();
        let Some(durable) = self.acked.steps_to(&found, &steps) else {
            panic!(
                "after a failure the log holds\n{found:?}\nbut acknowledged was\n{:?}",
                self.acked
            );
        };
        if found != self.acked {
            self.failed.clear();
        }
        self.acked = found;
        self.failed.push(steps[durable..].to_vec());
    }

    fn crash(&mut self) {
        let waiting: Vec<Step> = self.waiting.drain(..).flat_map(|request| request.steps).collect();
        self.failed.push(waiting);
        // The death of a process keeps the page cache, that of the machine does not.
        let off = self.log.storage.is_off();
        let storage = if off || self.chance(2) {
            self.log.storage.lose_power(&mut self.random)
        } else {
            self.log.storage.power_off_after(u64::MAX);
            self.log.storage.clone()
        };
        storage.fail_syncs(0);
        storage.set_free(None);
        self.log = Manual::open(&storage);
        let found = self.log.contents();
        let known = self
            .failed
            .iter()
            .any(|steps| self.acked.steps_to(&found, steps).is_some());
        assert!(
            known,
            "recovered\n{found:?}\nbut acknowledged was\n{:?}",
            self.acked
        );
        let committed = committed_of(&self.log.wal.state());
        let possible = self.committed_acked..=self.committed_highest;
        assert!(
            possible.contains(&committed),
            "committed is {committed}, possible is {possible:?}"
        );
        self.acked = found;
        self.failed.clear();
        self.committed = committed;
        self.committed_acked = committed;
    }
}

fn committed_of(state: &State) -> u64 {
    state
        .committed
        .as_ref()
        .map_or(0, |bytes| str::from_utf8(bytes).unwrap().parse().unwrap())
}
