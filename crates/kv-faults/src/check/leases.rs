use std::collections::HashMap;
use std::time::Duration;

use crate::check::{Causes, LeaseEnd, Truth, Violation};
use crate::history::{History, Keys, LeaseOperation, LeaseRequest, Op, Time};

const EARLY: &str = "a lease does not end before its time";
const REVOKED: &str = "a revoked lease takes its keys along";
const USED: &str = "a lease that has ended takes no keys";

/// Checks the ends of leases by their keys: those that nobody revoked come not before the time to live has passed
/// since any renewal that was answered, counted from when it was asked for.
pub(crate) fn check(truth: &Truth, history: &History, causes: &Causes) -> Vec<Violation> {
    let mut by_lease: HashMap<i64, Vec<&LeaseOperation>> = HashMap::new();
    for operation in &history.leases {
        by_lease.entry(operation.id).or_default().push(operation);
    }
    let mut violations = Vec::new();
    for (id, operations) in &by_lease {
        if let Some(end) = causes.lease_ends.get(id) {
            violations.extend(early(*id, *end, operations));
        }
        violations.extend(
            operations
                .iter()
                .filter_map(|operation| outlived(truth, operation)),
        );
    }
    violations.extend(used_after_end(history, causes));
    violations
}

fn early(id: i64, end: LeaseEnd, operations: &[&LeaseOperation]) -> Option<Violation> {
    let seen = end.seen?;
    let revoked =
        |operation: &&LeaseOperation| operation.request == LeaseRequest::Revoke && operation.call <= seen;
    if operations.iter().any(revoked) {
        return None;
    }
    let alive_until = |operation: &LeaseOperation| -> Option<Time> {
        let ttl = u64::try_from(operation.answer?.ttl).ok().filter(|ttl| *ttl > 0)?;
        (operation.request != LeaseRequest::Revoke).then(|| operation.call + Duration::from_secs(ttl))
    };
    let promised = operations
        .iter()
        .filter_map(|operation| alive_until(operation))
        .max()?;
    (seen < promised).then(|| {
        let revision = end.revision;
        let detail =
            format!("lease {id:x} was over at {seen:?} (revision {revision}), promised until {promised:?}");
        Violation::new(EARLY, detail)
    })
}

/// A revocation that was answered leaves no key of the lease at the revision it tells.
fn outlived(truth: &Truth, operation: &LeaseOperation) -> Option<Violation> {
    let answer = operation
        .answer
        .filter(|_| operation.request == LeaseRequest::Revoke)?;
    let revision = answer.revision.clamp(truth.first(), truth.last());
    let left = truth.at(&Keys::all(), revision);
    let left = left.iter().find(|kv| kv.lease == operation.id)?;
    let detail = format!(
        "lease {:x} was revoked by revision {revision}: {left:?}",
        operation.id
    );
    Some(Violation::new(REVOKED, detail))
}

fn used_after_end(history: &History, causes: &Causes) -> Vec<Violation> {
    let mut violations = Vec::new();
    for operation in &history.operations {
        let Some((_, answer)) = operation.answered().filter(|(_, answer)| answer.wrote()) else {
            continue;
        };
        let leases = operation.transaction.ops().filter_map(|op| match op {
            Op::Put { lease, .. } => causes.lease_ends.get(lease),
            _ => None,
        });
        for end in leases.filter(|end| end.revision < answer.revision) {
            let detail = format!("it ended at {}: {operation:?}", end.revision);
            violations.push(Violation::new(USED, detail));
        }
    }
    violations
}
