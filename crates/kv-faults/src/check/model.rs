//! What a transaction does to a state, as the API describes it: a naive model.

use std::collections::BTreeMap;

use bytes::Bytes;
use kv_proto::mvccpb::KeyValue;

use crate::check::Truth;
use crate::history::{Compare, Found, Keys, Op, Transaction};

/// What a transaction does if it is the one at `revision`.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Effect {
    pub(crate) succeeded: bool,
    pub(crate) found: Vec<Found>,
    /// By key; `None`: deleted.
    pub(crate) changes: BTreeMap<Bytes, Option<KeyValue>>,
}

/// Runs a transaction on the state at `before`; its writes are made at the revision after that.
pub(crate) fn run(transaction: &Transaction, truth: &Truth, before: i64) -> Effect {
    let mut state = State {
        truth,
        before,
        changes: BTreeMap::new(),
    };
    let succeeded = transaction.compares.iter().all(|compare| state.holds(compare));
    let branch = if succeeded {
        &transaction.success
    } else {
        &transaction.failure
    };
    let found = branch.iter().map(|op| state.step(op)).collect();
    Effect {
        succeeded,
        found,
        changes: state.changes,
    }
}

struct State<'a> {
    truth: &'a Truth,
    before: i64,
    changes: BTreeMap<Bytes, Option<KeyValue>>,
}

impl State<'_> {
    fn range(&self, keys: &Keys) -> Vec<KeyValue> {
        let mut kvs: BTreeMap<Bytes, KeyValue> = self
            .truth
            .at(keys, self.before)
            .into_iter()
            .map(|kv| (kv.key.clone(), kv))
            .collect();
        for (key, change) in self.changes.iter().filter(|(key, _)| keys.contain(key)) {
            match change {
                Some(kv) => kvs.insert(key.clone(), kv.clone()),
                None => kvs.remove(key),
            };
        }
        kvs.into_values().collect()
    }

    fn one(&self, key: &Bytes) -> Option<KeyValue> {
        self.range(&Keys::one(key.clone())).pop()
    }

    fn holds(&self, compare: &Compare) -> bool {
        match compare {
            Compare::Value(key, value) => self.one(key).is_some_and(|kv| kv.value == value),
            Compare::Modified(key, revision) => self.one(key).map_or(0, |kv| kv.mod_revision) == *revision,
        }
    }

    fn step(&mut self, op: &Op) -> Found {
        match op {
            Op::Get(keys) => Found::Got(self.range(keys)),
            Op::Delete(keys) => {
                let deleted = self.range(keys);
                self.changes
                    .extend(deleted.iter().map(|kv| (kv.key.clone(), None)));
                Found::Deleted(deleted)
            }
            Op::Put { key, value, lease } => {
                let before = self.one(key);
                let revision = self.before + 1;
                let kv = KeyValue {
                    key: key.clone(),
                    value: value.clone(),
                    create_revision: before.as_ref().map_or(revision, |kv| kv.create_revision),
                    mod_revision: revision,
                    version: before.as_ref().map_or(1, |kv| kv.version + 1),
                    lease: *lease,
                };
                self.changes.insert(key.clone(), Some(kv));
                Found::Put(before)
            }
        }
    }
}
