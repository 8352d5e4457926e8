//! What differs between two servers that are both right: IDs, terms, times, and the order of equals.

use std::time::Instant;

use kv_proto::etcdserverpb as etcd;
use kv_proto::etcdserverpb::request_op::Request;
use kv_proto::etcdserverpb::response_op::Response;
use kv_proto::mvccpb::KeyValue;

use crate::symbol::Leases;

/// Up to this many items Go's sort keeps equals in their order; beyond it the order of equals is nobody's promise.
const STABLE_MAX: i64 = 12;

/// What one server calls itself.
#[derive(Clone, Debug)]
pub(crate) struct Names {
    pub(crate) cluster: u64,
    pub(crate) member: u64,
    pub(crate) term: u64,
    pub(crate) leases: Leases,
    /// When the first lease that still lives can have been granted.
    pub(crate) leases_since: Instant,
}

impl Names {
    pub(crate) fn header(&self, header: &mut Option<etcd::ResponseHeader>) {
        let Some(header) = header else { return };
        for (name, own) in [
            (&mut header.cluster_id, self.cluster),
            (&mut header.member_id, self.member),
            (&mut header.raft_term, self.term),
        ] {
            if *name == own {
                *name = 1;
            }
        }
    }

    pub(crate) fn key_value(&self, kv: &mut KeyValue) {
        self.leases.unresolve(&mut kv.lease);
    }

    pub(crate) fn range(&self, request: &etcd::RangeRequest, answer: &mut etcd::RangeResponse) {
        self.header(&mut answer.header);
        answer.kvs.iter_mut().for_each(|kv| self.key_value(kv));
        settle_equals(request, answer);
    }

    pub(crate) fn put(&self, answer: &mut etcd::PutResponse) {
        self.header(&mut answer.header);
        answer.prev_kv.iter_mut().for_each(|kv| self.key_value(kv));
    }

    pub(crate) fn delete(&self, answer: &mut etcd::DeleteRangeResponse) {
        self.header(&mut answer.header);
        answer.prev_kvs.iter_mut().for_each(|kv| self.key_value(kv));
    }

    pub(crate) fn txn(&self, request: &etcd::TxnRequest, answer: &mut etcd::TxnResponse) {
        self.header(&mut answer.header);
        let branch = if answer.succeeded {
            &request.success
        } else {
            &request.failure
        };
        for (op, response) in branch.iter().zip(&mut answer.responses) {
            match (&op.request, &mut response.response) {
                (Some(Request::RequestRange(request)), Some(Response::ResponseRange(answer))) => {
                    self.range(request, answer);
                }
                (_, Some(Response::ResponsePut(answer))) => self.put(answer),
                (_, Some(Response::ResponseDeleteRange(answer))) => self.delete(answer),
                (Some(Request::RequestTxn(request)), Some(Response::ResponseTxn(answer))) => {
                    self.txn(request, answer);
                }
                _ => {}
            }
        }
    }

    pub(crate) fn watch(&self, answer: &mut etcd::WatchResponse) {
        self.header(&mut answer.header);
        for event in &mut answer.events {
            event.kv.iter_mut().for_each(|kv| self.key_value(kv));
            event.prev_kv.iter_mut().for_each(|kv| self.key_value(kv));
        }
    }

    /// A lease that was granted in this script has lost no more than the time since.
    pub(crate) fn time_to_live(&self, answer: &mut etcd::LeaseTimeToLiveResponse) {
        self.header(&mut answer.header);
        self.leases.unresolve(&mut answer.id);
        answer.keys.sort();
        let since = self.leases_since.elapsed().as_secs();
        let lost = u64::try_from(answer.granted_ttl - answer.ttl);
        if answer.ttl > 0 && lost.is_ok_and(|lost| lost <= since + 1) {
            answer.ttl = answer.granted_ttl;
        }
    }

    pub(crate) fn lease_list(&self, answer: &mut etcd::LeaseLeasesResponse) {
        self.header(&mut answer.header);
        for lease in &mut answer.leases {
            self.leases.unresolve(&mut lease.id);
        }
        answer.leases.sort_by_key(|lease| lease.id);
    }
}

/// Brings keys that are equal in what they are sorted by into one order; of those at a cut only that remains.
fn settle_equals(request: &etcd::RangeRequest, answer: &mut etcd::RangeResponse) {
    use etcd::range_request::SortTarget;
    let by: fn(&KeyValue) -> (i64, bytes::Bytes) = match request.sort_target() {
        SortTarget::Key => return,
        SortTarget::Version => |kv| (kv.version, bytes::Bytes::new()),
        SortTarget::Create => |kv| (kv.create_revision, bytes::Bytes::new()),
        SortTarget::Mod => |kv| (kv.mod_revision, bytes::Bytes::new()),
        SortTarget::Value => |kv| (0, kv.value.clone()),
    };
    if answer.count <= STABLE_MAX {
        return;
    }
    for equals in answer.kvs.chunk_by_mut(|a, b| by(a) == by(b)) {
        equals.sort_by(|a, b| a.key.cmp(&b.key));
    }
    if !answer.more {
        return;
    }
    let last = answer.kvs.last().map(by);
    let at_cut = answer.kvs.iter_mut().filter(|kv| Some(by(kv)) == last);
    for kv in at_cut {
        *kv = match request.sort_target() {
            SortTarget::Version => KeyValue {
                version: kv.version,
                ..Default::default()
            },
            SortTarget::Create => KeyValue {
                create_revision: kv.create_revision,
                ..Default::default()
            },
            SortTarget::Mod => KeyValue {
                mod_revision: kv.mod_revision,
                ..Default::default()
            },
            SortTarget::Value | SortTarget::Key => KeyValue {
                value: kv.value.clone(),
                ..Default::default()
            },
        };
    }
}
