use std::fmt;

use bytes::Bytes;
use kv_proto::etcdserverpb as etcd;
use kv_proto::etcdserverpb::request_op::Request;

use crate::symbol::{self, Clock, Leases};

/// One step of a script. Its numbers may be symbols.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Op {
    Range(etcd::RangeRequest),
    RangeStream(etcd::RangeRequest),
    Put(etcd::PutRequest),
    Delete(etcd::DeleteRangeRequest),
    Txn(etcd::TxnRequest),
    Compact(etcd::CompactionRequest),
    Grant(etcd::LeaseGrantRequest),
    /// Grants a lease that may be too short to be met again, and revokes it at once.
    GrantAndRevoke(etcd::LeaseGrantRequest),
    Revoke(i64),
    /// Renews these on one stream, whose requests then end.
    KeepAlive(Vec<i64>),
    TimeToLive(etcd::LeaseTimeToLiveRequest),
    Leases,
    /// Lets these keys go with the shortest lease there is, and waits until it has.
    Expire(Vec<Bytes>),
    Watch(etcd::WatchCreateRequest),
    CancelWatch(i64),
    /// A request on the watch stream that asks for nothing.
    EmptyWatchRequest,
    /// Waits until every watcher has seen everything.
    SyncWatches,
    MemberList(bool),
    Status,
    Alarms(i32),
    HashKv(i64),
    /// Bytes sent to a method.
    Raw {
        path: String,
        message: Bytes,
    },
    /// Deletes all keys, revokes all leases, ends the watch stream.
    Reset,
}

impl Op {
    /// Puts in what the symbols stand for.
    pub(crate) fn resolve(&mut self, clock: &Clock, leases: &Leases) {
        let lease = |id: &mut i64| leases.resolve(id);
        match self {
            Self::Range(request) | Self::RangeStream(request) => range(request, clock),
            Self::Put(request) => lease(&mut request.lease),
            Self::Txn(request) => txn(request, clock, leases),
            Self::Compact(request) => {
                clock.resolve(&mut request.revision);
                // A compaction at 0 leaves a hash behind that etcd answers to each HashKV of 0 from then on.
                if request.revision == 0 {
                    request.revision = -1;
                }
            }
            Self::Grant(request) | Self::GrantAndRevoke(request) => lease(&mut request.id),
            Self::Revoke(id) => lease(id),
            Self::KeepAlive(ids) => ids.iter_mut().for_each(lease),
            Self::TimeToLive(request) => lease(&mut request.id),
            Self::Watch(request) => clock.resolve(&mut request.start_revision),
            Self::HashKv(revision) => {
                clock.resolve(revision);
                // A negative one makes etcd hash nothing; for the compacted one it keeps an answer from the time of
                // the compaction.
                if *revision < 0 || *revision == clock.compacted {
                    *revision = 0;
                }
            }
            Self::Delete(_)
            | Self::Leases
            | Self::Expire(_)
            | Self::CancelWatch(_)
            | Self::EmptyWatchRequest
            | Self::SyncWatches
            | Self::MemberList(_)
            | Self::Status
            | Self::Alarms(_)
            | Self::Raw { .. }
            | Self::Reset => {}
        }
    }
}

fn range(request: &mut etcd::RangeRequest, clock: &Clock) {
    clock.resolve(&mut request.revision);
    clock.resolve(&mut request.min_mod_revision);
    clock.resolve(&mut request.max_mod_revision);
    clock.resolve(&mut request.min_create_revision);
    clock.resolve(&mut request.max_create_revision);
}

fn txn(request: &mut etcd::TxnRequest, clock: &Clock, leases: &Leases) {
    use etcd::compare::TargetUnion;
    for compare in &mut request.compare {
        match &mut compare.target_union {
            Some(TargetUnion::CreateRevision(revision) | TargetUnion::ModRevision(revision)) => {
                clock.resolve(revision);
            }
            Some(TargetUnion::Lease(id)) => leases.resolve(id),
            Some(TargetUnion::Version(_) | TargetUnion::Value(_)) | None => {}
        }
    }
    for op in request.success.iter_mut().chain(&mut request.failure) {
        match &mut op.request {
            Some(Request::RequestRange(request)) => range(request, clock),
            Some(Request::RequestPut(request)) => leases.resolve(&mut request.lease),
            Some(Request::RequestTxn(request)) => txn(request, clock, leases),
            Some(Request::RequestDeleteRange(_)) | None => {}
        }
    }
}

impl fmt::Display for Op {
    /// The form of `Debug` with symbols in words.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = format!("{self:?}");
        let mut number = String::new();
        let mut said = String::new();
        for character in text.chars().chain([' ']) {
            if character.is_ascii_digit() {
                number.push(character);
                continue;
            }
            if !number.is_empty() {
                said.push_str(&number.parse().map_or(number.clone(), symbol::describe));
                number.clear();
            }
            said.push(character);
        }
        f.write_str(said.trim_end())
    }
}
