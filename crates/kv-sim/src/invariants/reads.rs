//! A read answers what truly was there at the revision it names, and compacted revisions are not answered. etcd's KV
//! API guarantees, "isolation level and consistency of replicas".

use kv_mvcc::RangeResult;
use kv_types::{KeyRange, Revision};

use crate::truth::Truth;
use crate::violation::{Verdict, require};

const NAME: &str = "reads answer what is true";

/// `at`: the revision that was asked for, or else the current one.
pub(crate) fn range(truth: &Truth, range: &KeyRange, at: Option<Revision>, told: &RangeResult) -> Verdict {
    let at = at.unwrap_or(told.revision);
    let expected = truth.range(range, at);
    require(told.kvs == expected, NAME, || {
        format!("a read at {at} answers {:?} instead of {expected:?}", told.kvs)
    })?;
    require(told.revision <= truth.revision(), NAME, || {
        format!("a read answers at {}, which is in the future", told.revision)
    })
}

/// `compacted`: how far a compaction was acknowledged, on the same member, before the read began.
pub(crate) fn not_compacted(at: Revision, compacted: Revision) -> Verdict {
    require(at >= compacted, NAME, || {
        format!("a read at {at} is answered after a compaction at {compacted}")
    })
}

/// A refusal for being compacted has its reason.
pub(crate) fn refused_as_compacted(truth: &Truth, at: Revision) -> Verdict {
    require(at < truth.compacted, NAME, || {
        format!(
            "a read at {at} is refused, but only {} is compacted",
            truth.compacted
        )
    })
}
