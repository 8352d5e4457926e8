use std::collections::BTreeMap;

use bytes::Bytes;
use kv_proto::mvccpb::KeyValue;
use kv_proto::mvccpb::event::EventType;

use crate::check::{Truth, Violation, model};
use crate::history::{Answer, Op, Operation, Read};

const PROMISE: &str = "each answer is true at its revision";

/// Checks that each answer is what the request does at the revision it names, and that this revision has just the
/// changes the request makes.
pub(crate) fn check(truth: &Truth, operations: &[Operation]) -> Vec<Violation> {
    let wrong = operations.iter().filter_map(|operation| {
        let (_, answer) = operation.answered()?;
        let problem = problem(truth, operation, answer)?;
        Some(Violation::new(PROMISE, format!("{problem}: {operation:?}")))
    });
    wrong.collect()
}

fn problem(truth: &Truth, operation: &Operation, answer: &Answer) -> Option<String> {
    if answer.revision < truth.first() || answer.revision > truth.last() {
        let (first, last) = (truth.first(), truth.last());
        return Some(format!(
            "there is no revision {} from {first} to {last}",
            answer.revision
        ));
    }
    let (revision, before) = match operation.read {
        Read::At(revision) if revision > answer.revision => {
            return Some(format!("read at {revision}, answered at {}", answer.revision));
        }
        Read::At(revision) => (revision, revision),
        _ if answer.wrote() => (answer.revision, answer.revision - 1),
        _ => (answer.revision, answer.revision),
    };
    let effect = model::run(&operation.transaction, truth, before);
    if (effect.succeeded, &effect.found) != (answer.succeeded, &answer.found) {
        return Some(format!("at {revision} the answer is {:?}", effect.found));
    }
    let expected = match answer.wrote() {
        true => changes_at(truth, revision),
        false => BTreeMap::new(),
    };
    (effect.changes != expected).then(|| format!("the changes at {revision} are {expected:?}"))
}

/// What a revision changed, by key; `None`: deleted.
pub(crate) fn changes_at(truth: &Truth, revision: i64) -> BTreeMap<Bytes, Option<KeyValue>> {
    let changes = truth.changes(revision).iter().filter_map(|event| {
        let kv = event.kv.clone()?;
        let deleted = event.r#type() == EventType::Delete;
        Some((kv.key.clone(), (!deleted).then_some(kv)))
    });
    changes.collect()
}

/// The values a request puts; each is used by one request only.
pub(crate) fn values(operation: &Operation) -> impl Iterator<Item = &Bytes> {
    operation.transaction.ops().filter_map(|op| match op {
        Op::Put { value, .. } => Some(value),
        _ => None,
    })
}
