//! Between the history's words and the API's.

use anyhow::{Context, Result};
use kv_client::{Client, ClientError};
use kv_proto::etcdserverpb as etcd;
use kv_proto::etcdserverpb::compare::{CompareResult, CompareTarget, TargetUnion};
use kv_proto::etcdserverpb::request_op::Request;
use kv_proto::etcdserverpb::response_op::Response;
use kv_proto::mvccpb::{Event, KeyValue};
use tonic::Code;

use crate::history::{Answer, Compare, Found, Keys, Op, Read, Transaction};

/// Keys read at once when all are.
const PAGE: i64 = 5000;

/// Sends a request, a lone step as the call of its own.
pub(crate) async fn send(client: &Client, asked: &Transaction, read: Read) -> Result<Answer, ClientError> {
    if !asked.compares.is_empty() || asked.success.len() != 1 || !asked.failure.is_empty() {
        let response = client.txn(txn(asked)).await?;
        return Ok(Answer {
            revision: response.header.unwrap_or_default().revision,
            succeeded: response.succeeded,
            found: response
                .responses
                .into_iter()
                .filter_map(|step| found(step.response?))
                .collect(),
        });
    }
    let (header, found) = match &asked.success[0] {
        Op::Put { .. } => {
            let response = client.put(put(&asked.success[0])).await?;
            (response.header, Found::Put(response.prev_kv))
        }
        Op::Get(keys) => {
            let response = client.range(range(keys, read)).await?;
            (response.header, Found::Got(response.kvs))
        }
        Op::Delete(keys) => {
            let response = client.delete_range(delete(keys)).await?;
            (response.header, Found::Deleted(response.prev_kvs))
        }
    };
    Ok(Answer {
        revision: header.unwrap_or_default().revision,
        succeeded: true,
        found: vec![found],
    })
}

/// Whether an error says that the request was not carried out.
pub(crate) fn refused(error: &ClientError) -> bool {
    let ClientError::Status(status) = error else {
        return false;
    };
    matches!(
        status.code(),
        Code::InvalidArgument
            | Code::NotFound
            | Code::AlreadyExists
            | Code::FailedPrecondition
            | Code::OutOfRange
            | Code::ResourceExhausted
    )
}

fn txn(asked: &Transaction) -> etcd::TxnRequest {
    let branch = |ops: &[Op]| ops.iter().map(step).collect();
    etcd::TxnRequest {
        compare: asked.compares.iter().map(compare).collect(),
        success: branch(&asked.success),
        failure: branch(&asked.failure),
    }
}

fn compare(compare: &Compare) -> etcd::Compare {
    let (key, target, union) = match compare {
        Compare::Value(key, value) => (key, CompareTarget::Value, TargetUnion::Value(value.clone())),
        Compare::Modified(key, revision) => (key, CompareTarget::Mod, TargetUnion::ModRevision(*revision)),
    };
    etcd::Compare {
        result: CompareResult::Equal.into(),
        target: target.into(),
        key: key.clone(),
        target_union: Some(union),
        ..etcd::Compare::default()
    }
}

fn step(op: &Op) -> etcd::RequestOp {
    let request = match op {
        Op::Put { .. } => Request::RequestPut(put(op)),
        Op::Get(keys) => Request::RequestRange(range(keys, Read::Linearizable)),
        Op::Delete(keys) => Request::RequestDeleteRange(delete(keys)),
    };
    etcd::RequestOp {
        request: Some(request),
    }
}

fn found(response: Response) -> Option<Found> {
    match response {
        Response::ResponsePut(put) => Some(Found::Put(put.prev_kv)),
        Response::ResponseRange(range) => Some(Found::Got(range.kvs)),
        Response::ResponseDeleteRange(deleted) => Some(Found::Deleted(deleted.prev_kvs)),
        Response::ResponseTxn(_) => None,
    }
}

fn put(op: &Op) -> etcd::PutRequest {
    let Op::Put { key, value, lease } = op else {
        return etcd::PutRequest::default();
    };
    etcd::PutRequest {
        key: key.clone(),
        value: value.clone(),
        lease: *lease,
        prev_kv: true,
        ..etcd::PutRequest::default()
    }
}

fn range(keys: &Keys, read: Read) -> etcd::RangeRequest {
    etcd::RangeRequest {
        key: keys.from.clone(),
        range_end: keys.to.clone(),
        serializable: read == Read::Serializable,
        revision: match read {
            Read::At(revision) => revision,
            _ => 0,
        },
        ..etcd::RangeRequest::default()
    }
}

fn delete(keys: &Keys) -> etcd::DeleteRangeRequest {
    etcd::DeleteRangeRequest {
        key: keys.from.clone(),
        range_end: keys.to.clone(),
        prev_kv: true,
    }
}

/// All keys and the revision they are read at, in pages.
///
/// # Errors
/// If the member does not answer.
pub(crate) async fn everything(client: &Client) -> Result<(i64, Vec<KeyValue>)> {
    let mut all: Vec<KeyValue> = Vec::new();
    let mut revision = 0;
    let mut start = Keys::all();
    loop {
        let request = etcd::RangeRequest {
            limit: PAGE,
            revision,
            ..range(&start, Read::Linearizable)
        };
        let answer = client.range(request).await?;
        if revision == 0 {
            revision = answer.header.context("an answer has a header")?.revision;
        }
        all.extend(answer.kvs);
        let Some(last) = all.last().filter(|_| answer.more) else {
            return Ok((revision, all));
        };
        start.from = [&last.key[..], &[0]].concat().into();
    }
}

/// All changes of the revisions `from` to `to`, with previous values, as a member tells them afterwards.
///
/// # Errors
/// If the member ends the watch, or does not answer.
pub(crate) async fn changes(client: &Client, from: i64, to: i64) -> Result<Vec<Event>> {
    let mut all = Vec::new();
    if to < from {
        return Ok(all);
    }
    let request = etcd::WatchCreateRequest {
        key: Keys::all().from,
        range_end: Keys::all().to,
        start_revision: from,
        prev_kv: true,
        ..etcd::WatchCreateRequest::default()
    };
    let mut watch = client.watch(request).await?;
    loop {
        let response = watch.next().await?.context("the watch goes on")?;
        anyhow::ensure!(
            !response.canceled,
            "the watch was ended: {}",
            response.cancel_reason
        );
        all.extend(response.events);
        let last = all.last().and_then(|event: &Event| event.kv.as_ref());
        if last.is_some_and(|kv| kv.mod_revision >= to) {
            return Ok(all);
        }
    }
}
