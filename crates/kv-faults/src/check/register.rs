use std::collections::{BTreeMap, HashMap};

use bytes::Bytes;

use crate::check::search::{Decision, Interval, State, Step, search};
use crate::check::{Truth, Violation};
use crate::history::{Compare, Found, Keys, Op, Operation, Outcome, Read, Time};

const PROMISE: &str = "reads and writes of a key have an order that agrees with real time";

#[derive(Debug, Default)]
pub(crate) struct Search {
    pub(crate) violations: Vec<Violation>,
    pub(crate) keys: usize,
    pub(crate) undecided: usize,
}

/// Searches for the order of requests to single keys, from values alone: revisions, which the other checks rest on,
/// have no part in it. Keys that other requests write too are left out.
pub(crate) fn check(truth: &Truth, operations: &[Operation], open: &[Operation]) -> Search {
    let mut keys: BTreeMap<Bytes, Option<Vec<&Operation>>> = BTreeMap::new();
    let intervals: Vec<&Keys> = operations.iter().flat_map(deleted_intervals).collect();
    for operation in open.iter().chain(operations) {
        let lone = lone_key(operation);
        for key in written(operation) {
            if lone.as_ref() != Some(&key) {
                keys.insert(key, None);
            }
        }
        if let Some(key) = lone.filter(|_| operation.outcome != Outcome::Refused)
            && let Some(of_key) = keys.entry(key).or_insert_with(|| Some(Vec::new()))
        {
            of_key.push(operation);
        }
    }
    let mut found = Search::default();
    for (key, operations) in keys {
        if intervals.iter().any(|interval| interval.contain(&key)) {
            continue;
        }
        let Some(operations) = operations.filter(|operations| !leased(operations)) else {
            continue;
        };
        found.keys += 1;
        let mut register = Register::default();
        let initial = truth.at(&Keys::one(key.clone()), truth.first());
        let initial = register.state(initial.first().map(|kv| &kv.value));
        match search(initial, &register.intervals(&operations)) {
            Decision::Linearizable => {}
            Decision::GaveUp => found.undecided += 1,
            Decision::Not => {
                let detail = format!("{key:?}, {} requests", operations.len());
                found.violations.push(Violation::new(PROMISE, detail));
            }
        }
    }
    found
}

/// The end of a lease is no request.
fn leased(operations: &[&Operation]) -> bool {
    let ops = operations
        .iter()
        .flat_map(|operation| operation.transaction.ops());
    ops.into_iter()
        .any(|op| matches!(op, Op::Put { lease, .. } if *lease != 0))
}

fn deleted_intervals(operation: &Operation) -> impl Iterator<Item = &Keys> {
    operation.transaction.ops().filter_map(|op| match op {
        Op::Delete(keys) if !keys.to.is_empty() => Some(keys),
        _ => None,
    })
}

/// The single keys that a request writes.
fn written(operation: &Operation) -> Vec<Bytes> {
    let keys = operation.transaction.ops().filter_map(|op| match op {
        Op::Put { key, .. } => Some(key.clone()),
        Op::Delete(keys) => Some(keys.from.clone()),
        Op::Get(_) => None,
    });
    keys.collect()
}

/// The one key of a request that is a step on a register.
fn lone_key(operation: &Operation) -> Option<Bytes> {
    let transaction = &operation.transaction;
    if operation.read != Read::Linearizable {
        return None;
    }
    match (
        &transaction.compares[..],
        &transaction.success[..],
        &transaction.failure[..],
    ) {
        ([], [Op::Put { key, .. }], []) => Some(key.clone()),
        ([], [Op::Get(keys) | Op::Delete(keys)], []) if keys.to.is_empty() => Some(keys.from.clone()),
        ([Compare::Value(key, _)], [Op::Put { key: put, .. }], [Op::Get(got)])
            if key == put && *got == Keys::one(key.clone()) =>
        {
            Some(key.clone())
        }
        _ => None,
    }
}

/// Numbers the values of one key.
#[derive(Default)]
struct Register {
    values: HashMap<Bytes, usize>,
}

impl Register {
    fn state(&mut self, value: Option<&Bytes>) -> State {
        let next = self.values.len();
        value.map(|value| *self.values.entry(value.clone()).or_insert(next))
    }

    fn intervals(&mut self, operations: &[&Operation]) -> Vec<Interval> {
        let all: Vec<Interval> = operations
            .iter()
            .filter_map(|operation| self.interval(operation))
            .collect();
        let observed: Vec<State> = all.iter().flat_map(|interval| observed(interval.step)).collect();
        // A write without an answer whose value nobody saw: whatever order there is, there is one without it.
        let needed = |interval: &Interval| {
            interval.returned.is_some()
                || match interval.step {
                    Step::Write { after, .. } | Step::Swap { after, .. } => {
                        after.is_none() || observed.contains(&after)
                    }
                    Step::Read(_) => false,
                }
        };
        all.into_iter().filter(needed).collect()
    }

    fn interval(&mut self, operation: &Operation) -> Option<Interval> {
        let answer = operation.answered();
        let found = answer.and_then(|(_, answer)| answer.found.first());
        let before = match found {
            Some(Found::Put(before)) => Some(self.state(before.as_ref().map(|kv| &kv.value))),
            Some(Found::Got(kvs) | Found::Deleted(kvs)) => Some(self.state(kvs.first().map(|kv| &kv.value))),
            None => None,
        };
        let transaction = &operation.transaction;
        let read = matches!(found, Some(Found::Got(_)));
        let step = match (transaction.compares.first(), transaction.success.first()?) {
            // The branch of a swap that failed reads; one that succeeded is a write that knows what was before.
            _ if read => Step::Read(before?),
            (Some(Compare::Value(_, expected)), Op::Put { value, .. }) if answer.is_none() => Step::Swap {
                expected: self.state(Some(expected)),
                after: self.state(Some(value)),
            },
            (_, Op::Put { value, .. }) => Step::Write {
                before,
                after: self.state(Some(value)),
            },
            (_, Op::Delete(_)) => Step::Write { before, after: None },
            (_, Op::Get(_)) => return None,
        };
        let returned: Option<Time> = answer.map(|(at, _)| at);
        Some(Interval {
            call: operation.call,
            returned,
            step,
        })
    }
}

/// What an operation found.
fn observed(step: Step) -> Option<State> {
    match step {
        Step::Write { before, .. } => before,
        Step::Read(held) => Some(held),
        Step::Swap { .. } => None,
    }
}
