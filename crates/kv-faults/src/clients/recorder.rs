use std::sync::Arc;
use std::time::Instant;

use parking_lot::Mutex;

use crate::history::{History, LeaseOperation, Operation, Outcome, Time};

/// The clock of the run.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock(Instant);

impl Clock {
    pub(crate) fn start() -> Self {
        Self(Instant::now())
    }

    pub(crate) fn now(self) -> Time {
        self.0.elapsed()
    }
}

/// Where all clients of a round write down what happened.
#[derive(Clone, Debug)]
pub(crate) struct Recorder {
    pub(crate) clock: Clock,
    history: Arc<Mutex<History>>,
}

impl Recorder {
    pub(crate) fn new(clock: Clock) -> Self {
        Self {
            clock,
            history: Arc::default(),
        }
    }

    pub(crate) fn operation(&self, operation: Operation) {
        self.history.lock().operations.push(operation);
    }

    pub(crate) fn lease(&self, operation: LeaseOperation) {
        self.history.lock().leases.push(operation);
    }

    /// The acknowledged writes that were asked for after `since`, through one member or any: when the first was
    /// acknowledged.
    pub(crate) fn first_write_since(&self, since: Time, member: Option<usize>) -> Option<Time> {
        let history = self.history.lock();
        // Operations are kept in the order of their ends.
        let late = history
            .operations
            .iter()
            .rev()
            .take_while(|operation| match operation.outcome {
                Outcome::Answered { at, .. } => at >= since,
                _ => true,
            });
        let writes = late.filter(|operation| operation.call >= since && operation.transaction.may_write());
        let through = writes.filter(|operation| member.is_none() || operation.member == member);
        through
            .filter_map(|operation| operation.answered())
            .map(|(at, _)| at)
            .min()
    }

    /// The longest time without an acknowledged write between two times.
    pub(crate) fn longest_pause(&self, from: Time, to: Time) -> Time {
        let history = self.history.lock();
        let writes = history
            .operations
            .iter()
            .filter(|operation| operation.transaction.may_write());
        let mut times: Vec<Time> = writes
            .filter_map(|operation| operation.answered())
            .map(|(at, _)| at)
            .collect();
        times.retain(|at| *at > from && *at < to);
        times.extend([from, to]);
        times.sort_unstable();
        times
            .windows(2)
            .map(|pair| pair[1] - pair[0])
            .max()
            .unwrap_or_default()
    }

    /// Takes what was written down.
    pub(crate) fn take(&self) -> History {
        std::mem::take(&mut self.history.lock())
    }
}
