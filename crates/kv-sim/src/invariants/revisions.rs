//! Revisions go up: an answer that began after another had come has no lower revision if both are linearizable, and a
//! write has a higher one. etcd's KV API guarantees, "strict serializability".

use kv_types::Revision;

use crate::violation::{Verdict, require};

/// `told`: the highest revision that any client was told before the request began.
pub(crate) fn read(told: Revision, revision: Revision) -> Verdict {
    require(revision >= told, "monotonic revisions", || {
        format!("a linearizable read answers at {revision}, but {told} was told before it began")
    })
}

pub(crate) fn write(told: Revision, revision: Revision) -> Verdict {
    require(revision > told, "monotonic revisions", || {
        format!("a write is acknowledged at {revision}, but {told} was told before it began")
    })
}
