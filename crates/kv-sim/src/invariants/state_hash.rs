//! Equal state at equal revision: what a member has is what truly is there, and its hash is that of all others at the
//! same revision and compaction. etcd's corruption check, `server/etcdserver/corrupt.go`.

use kv_mvcc::{RangeRequest, View};
use kv_types::{KeyRange, Revision};

use crate::truth::Truth;
use crate::violation::{Verdict, Violation, require};

const NAME: &str = "equal state";

pub(crate) fn whole_state(truth: &mut Truth, member: u64, view: &View) -> Verdict {
    let unreadable = |error: kv_mvcc::RangeError| Violation {
        invariant: NAME,
        detail: format!("member {member} cannot read its state: {error}"),
    };
    let found = view
        .range(&RangeRequest::new(KeyRange::all()))
        .map_err(unreadable)?;
    let expected = truth.range(&KeyRange::all(), found.revision);
    require(found.kvs == expected, NAME, || {
        format!(
            "member {member} has {} keys at revision {}, of {} that are there, or others",
            found.kvs.len(),
            found.revision,
            expected.len()
        )
    })?;
    let hash = view.hash_kv(None).map_err(unreadable)?;
    let at = (hash.revision, view.compacted().unwrap_or(Revision::ZERO));
    let known = *truth.hashes.entry(at).or_insert(hash.hash);
    require(known == hash.hash, NAME, || {
        format!("member {member} has another hash at {at:?}")
    })
}
