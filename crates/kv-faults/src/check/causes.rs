use std::collections::{BTreeMap, HashMap, HashSet};

use bytes::Bytes;
use kv_proto::mvccpb::KeyValue;

use crate::check::answers::{changes_at, values};
use crate::check::order::Observations;
use crate::check::{Truth, Violation, model};
use crate::history::{History, Keys, Operation, Outcome, Time};

const ONE_CAUSE: &str = "each revision has one request that made it";

/// A lease's end that took keys along.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct LeaseEnd {
    pub(crate) revision: i64,
    /// When somebody first knew of it, if anybody did.
    pub(crate) seen: Option<Time>,
}

/// Which request made each revision.
#[derive(Debug, Default)]
pub(crate) struct Causes {
    pub(crate) lease_ends: HashMap<i64, LeaseEnd>,
    pub(crate) violations: Vec<Violation>,
    /// Writes of unknown outcome that made no revision.
    pub(crate) open: Vec<Operation>,
}

impl Causes {
    pub(crate) fn find(
        truth: &Truth,
        history: &History,
        earlier: Vec<Operation>,
        observed: &Observations,
    ) -> Self {
        let mut causes = Self::default();
        let claimed = causes.claims(&history.operations);
        let unknown = history
            .operations
            .iter()
            .filter(|operation| operation.outcome == Outcome::Unknown && operation.transaction.may_write())
            .cloned();
        let mut open = Open::new(earlier.into_iter().chain(unknown).collect());
        for revision in truth.first() + 1..=truth.last() {
            if claimed.contains(&revision) {
                continue;
            }
            let seen = observed.first(revision);
            if !open.take(truth, revision, seen) {
                causes.lease_end(truth, revision, seen);
            }
        }
        causes.open = open.rest();
        causes
    }

    /// The revisions of answered writes.
    fn claims(&mut self, operations: &[Operation]) -> HashSet<i64> {
        let mut claimed = HashSet::new();
        let answers = operations.iter().filter_map(|operation| operation.answered());
        for (_, answer) in answers.filter(|(_, answer)| answer.wrote()) {
            if !claimed.insert(answer.revision) {
                let detail = format!("revision {} is two requests' answer", answer.revision);
                self.violations.push(Violation::new(ONE_CAUSE, detail));
            }
        }
        claimed
    }

    /// A revision that no request made has to be the end of one lease, with all its keys and no others.
    fn lease_end(&mut self, truth: &Truth, revision: i64, seen: Option<Time>) {
        let deleted: Option<Vec<&KeyValue>> = truth
            .changes(revision)
            .iter()
            .map(|event| event.prev_kv.as_ref().filter(|_| event.r#type == 1))
            .collect();
        let lease = deleted
            .as_ref()
            .and_then(|kvs| kvs.first())
            .map_or(0, |kv| kv.lease);
        let attached = || {
            truth
                .at(&Keys::all(), revision - 1)
                .into_iter()
                .filter(|kv| kv.lease == lease)
        };
        let whole = lease != 0
            && deleted
                .is_some_and(|kvs| kvs.iter().all(|kv| kv.lease == lease) && kvs.len() == attached().count());
        if !whole {
            let detail = format!("nobody made revision {revision}: {:?}", truth.changes(revision));
            self.violations.push(Violation::new(ONE_CAUSE, detail));
        } else if self
            .lease_ends
            .insert(lease, LeaseEnd { revision, seen })
            .is_some()
        {
            let detail = format!("lease {lease:x} ended again at {revision}");
            self.violations.push(Violation::new(ONE_CAUSE, detail));
        }
    }
}

/// Writes of unknown outcome, each of which can have happened once.
struct Open {
    operations: Vec<Option<Operation>>,
    by_value: HashMap<Bytes, usize>,
    /// Those that only delete: what they leave does not tell them apart.
    deletes: Vec<usize>,
}

impl Open {
    fn new(mut operations: Vec<Operation>) -> Self {
        // The earliest fits most revisions, so the first that fits may be taken.
        operations.sort_by_key(|operation| operation.call);
        let mut by_value = HashMap::new();
        let mut deletes = Vec::new();
        for (index, operation) in operations.iter().enumerate() {
            let mut named = false;
            for value in values(operation) {
                named = true;
                by_value.insert(value.clone(), index);
            }
            if !named {
                deletes.push(index);
            }
        }
        Self {
            operations: operations.into_iter().map(Some).collect(),
            by_value,
            deletes,
        }
    }

    /// Takes the write that made a revision: one with a value put there, or the earliest delete that does just that.
    /// Whether there is one.
    fn take(&mut self, truth: &Truth, revision: i64, seen: Option<Time>) -> bool {
        let changes = changes_at(truth, revision);
        let put = changes
            .values()
            .flatten()
            .find_map(|kv| self.by_value.get(&kv.value));
        let candidates = put.map_or(&self.deletes[..], std::slice::from_ref);
        let found = candidates.iter().copied().find(|index| {
            self.operations[*index]
                .as_ref()
                .is_some_and(|operation| fits(operation, truth, revision, &changes, seen))
        });
        found.is_some_and(|found| self.operations[found].take().is_some())
    }

    fn rest(self) -> Vec<Operation> {
        self.operations.into_iter().flatten().collect()
    }
}

/// Whether a write makes just these changes, and was asked for before anybody knew of them.
fn fits(
    operation: &Operation,
    truth: &Truth,
    revision: i64,
    changes: &BTreeMap<Bytes, Option<KeyValue>>,
    seen: Option<Time>,
) -> bool {
    seen.is_none_or(|seen| operation.call <= seen)
        && model::run(&operation.transaction, truth, revision - 1).changes == *changes
}
