//! What is acknowledged has happened, as it was acknowledged; what is refused has not. etcd's KV API guarantees,
//! "durability" and "atomicity".

use kv_machine::Outcome;
use kv_mvcc::{DeleteResult, PutResult, TxnResult};
use kv_server::RequestError;
use kv_types::KeyRange;

use crate::truth::Truth;
use crate::violation::{Verdict, Violation, require};

const NAME: &str = "acknowledged writes";

fn missing(token: u64, found: Option<&Outcome>) -> Violation {
    Violation {
        invariant: NAME,
        detail: format!("write {token} was acknowledged, and what was committed is {found:?}"),
    }
}

pub(crate) fn put(truth: &Truth, token: u64, told: &PutResult) -> Verdict {
    match truth.outcome(token) {
        Some(Outcome::Put(Ok(true_result))) => require(true_result == told, NAME, || {
            format!("write {token} was answered {told:?}, and is {true_result:?}")
        }),
        other => Err(missing(token, other)),
    }
}

pub(crate) fn txn(truth: &Truth, token: u64, told: &TxnResult) -> Verdict {
    match truth.outcome(token) {
        Some(Outcome::Txn(Ok(true_result))) => require(true_result == told, NAME, || {
            format!("transaction {token} was answered {told:?}, and is {true_result:?}")
        }),
        other => Err(missing(token, other)),
    }
}

/// A deletion has no token; but if it changed something, its revision is its own.
pub(crate) fn delete(truth: &Truth, range: &KeyRange, told: &DeleteResult) -> Verdict {
    let changes = truth.changes(range, told.revision, told.revision);
    let deleted = changes.iter().filter(|change| change.row.tombstone);
    let same = told.deleted == 0 || deleted.count() as u64 == told.deleted;
    require(same, NAME, || {
        format!("a deletion was answered {told:?}, and its revision has {changes:?}")
    })?;
    let prev = changes
        .iter()
        .filter_map(|change| truth.before(&change.row.key, told.revision));
    let same = told.deleted == 0 || prev.eq(told.prev_kvs.iter().cloned());
    require(same, NAME, || {
        format!("a deletion was answered with wrong previous values {told:?}")
    })
}

/// Whether an error says that nothing has happened or ever will.
pub(crate) fn is_refusal(error: &RequestError) -> bool {
    matches!(
        error,
        RequestError::NoSpace
            | RequestError::TooLarge
            | RequestError::TooManyRequests
            | RequestError::KeyNotFound
            | RequestError::LeaseNotFound
    )
}

/// What was refused is nowhere.
pub(crate) fn refused(truth: &Truth, token: u64, error: &RequestError) -> Verdict {
    let found = truth.outcome(token);
    let changed = match found {
        Some(Outcome::Put(result)) => result.is_ok(),
        Some(Outcome::Txn(result)) => result.is_ok(),
        _ => false,
    };
    require(!changed, NAME, || {
        format!("write {token} was refused ({error}) and committed: {found:?}")
    })
}
