use std::pin::Pin;

use bytes::Bytes;
use futures_util::stream::{self, Stream, StreamExt};
use kv_proto::etcdserverpb as etcd;
use kv_proto::etcdserverpb::request_op::Request;
use kv_proto::mvccpb::KeyValue;
use kv_proto::v3electionpb as pb;
use kv_server::Server;
use kv_types::KeyRange;
use kv_watch::Event;
use tokio::sync::mpsc;
use tonic::Status;

use super::queue::{Watcher, wait_for_older};
use super::{
    found, get, is_created_at, key_of, oldest, op, prefix, prefix_end, range, revision, session, txn,
};
use crate::convert;

const NOT_LEADER: &str = "election: not leader";
const NO_LEADER: &str = "election: no leader";
const LEADER_MISSING: &str = r#""leader" field must be provided"#;

/// Waits until the caller leads. A call that is given up leaves nothing behind.
pub(crate) async fn campaign(
    server: Server,
    request: pb::CampaignRequest,
) -> Result<pb::CampaignResponse, Status> {
    let lease = session(&server, request.lease).await?;
    let prefix = prefix(&request.name);
    let key = key_of(&prefix, lease);
    let put = put(&key, &request.value, lease);
    let entered = etcd::TxnRequest {
        compare: vec![is_created_at(key.clone(), 0)],
        success: vec![put],
        failure: vec![op(Request::RequestRange(get(key.clone())))],
    };
    let entered = txn(&server, entered).await?;
    let before = found(&entered, 0);
    let leader = pb::LeaderKey {
        name: request.name,
        key,
        rev: before.map_or(revision(entered.header.as_ref()), |kv| kv.create_revision),
        lease,
    };
    let mut withdrawal = Withdrawal(Some((server.clone(), leader.clone())));
    if before.is_some_and(|kv| kv.value != request.value) {
        put_value(&server, &leader, &request.value).await?;
    }
    wait_for_older(&server, &prefix, leader.rev - 1).await?;
    withdrawal.0 = None;
    Ok(pb::CampaignResponse {
        header: entered.header,
        leader: Some(leader),
    })
}

/// Resigns for a campaign that fails or is given up.
struct Withdrawal(Option<(Server, pb::LeaderKey)>);

impl Drop for Withdrawal {
    fn drop(&mut self) {
        if let Some((server, leader)) = self.0.take() {
            // If it fails, the lease takes the key away.
            tokio::spawn(async move { delete(&server, leader).await.map(drop) });
        }
    }
}

fn put(key: &Bytes, value: &Bytes, lease: i64) -> etcd::RequestOp {
    op(Request::RequestPut(etcd::PutRequest {
        key: key.clone(),
        value: value.clone(),
        lease,
        ..Default::default()
    }))
}

async fn put_value(
    server: &Server,
    leader: &pb::LeaderKey,
    value: &Bytes,
) -> Result<Option<etcd::ResponseHeader>, Status> {
    let request = etcd::TxnRequest {
        compare: vec![is_created_at(leader.key.clone(), leader.rev)],
        success: vec![put(&leader.key, value, leader.lease)],
        failure: Vec::new(),
    };
    let done = txn(server, request).await?;
    if done.succeeded {
        Ok(done.header)
    } else {
        Err(Status::unknown(NOT_LEADER))
    }
}

async fn delete(server: &Server, leader: pb::LeaderKey) -> Result<Option<etcd::ResponseHeader>, Status> {
    let request = etcd::DeleteRangeRequest {
        key: leader.key.clone(),
        ..Default::default()
    };
    let request = etcd::TxnRequest {
        compare: vec![is_created_at(leader.key, leader.rev)],
        success: vec![op(Request::RequestDeleteRange(request))],
        failure: Vec::new(),
    };
    Ok(txn(server, request).await?.header)
}

/// The caller's key, and its lease if it comes without one.
async fn resumed(server: &Server, leader: Option<pb::LeaderKey>) -> Result<pb::LeaderKey, Status> {
    let leader = leader.ok_or_else(|| Status::unknown(LEADER_MISSING))?;
    let lease = session(server, leader.lease).await?;
    Ok(pb::LeaderKey { lease, ..leader })
}

/// Gives the leader's key another value.
pub(crate) async fn proclaim(
    server: Server,
    request: pb::ProclaimRequest,
) -> Result<pb::ProclaimResponse, Status> {
    let leader = resumed(&server, request.leader).await?;
    Ok(pb::ProclaimResponse {
        header: put_value(&server, &leader, &request.value).await?,
    })
}

/// Ends a leadership; one that is over already is no error.
pub(crate) async fn resign(server: Server, request: pb::ResignRequest) -> Result<pb::ResignResponse, Status> {
    let leader = resumed(&server, request.leader).await?;
    Ok(pb::ResignResponse {
        header: delete(&server, leader).await?,
    })
}

/// Who leads now.
pub(crate) async fn leader(server: Server, request: pb::LeaderRequest) -> Result<pb::LeaderResponse, Status> {
    let found = range(&server, oldest(&prefix(&request.name))).await?;
    let kv = found.kvs.into_iter().next();
    Ok(pb::LeaderResponse {
        header: found.header,
        kv: Some(kv.ok_or_else(|| Status::unknown(NO_LEADER))?),
    })
}

/// Responses that wait for a client that does not read.
const OBSERVED_MAX: usize = 1;

pub(crate) type ObserveStream = Pin<Box<dyn Stream<Item = Result<pb::LeaderResponse, Status>> + Send>>;

/// Every value of every leader from now on; of several at once perhaps only the last.
pub(crate) async fn observe(server: Server, request: pb::LeaderRequest) -> Result<ObserveStream, Status> {
    let (sender, receiver) = mpsc::channel(OBSERVED_MAX);
    let prefix = prefix(&request.name);
    tokio::spawn(async move {
        let gone = sender.clone();
        tokio::select! {
            Err(status) = follow(&server, &prefix, &sender) => {
                // Without a reader there is nobody to tell.
                let _ = sender.send(Err(status)).await;
            }
            () = gone.closed() => {}
        }
    });
    let responses = stream::unfold(receiver, |mut receiver| async {
        Some((receiver.recv().await?, receiver))
    });
    Ok(responses.boxed())
}

type Sender = mpsc::Sender<Result<pb::LeaderResponse, Status>>;

async fn follow(server: &Server, prefix: &Bytes, sender: &Sender) -> Result<(), Status> {
    loop {
        let found = range(server, oldest(prefix)).await?;
        let now = revision(found.header.as_ref());
        let leader = match found.kvs.into_iter().next() {
            Some(kv) => respond(server, now, kv),
            None => first_put(server, prefix, now).await?,
        };
        let from = revision(leader.header.as_ref()) + 1;
        let key = leader.kv.as_ref().map(|kv| kv.key.clone()).unwrap_or_default();
        if sender.send(Ok(leader)).await.is_err() {
            return Ok(());
        }
        let mut watcher = Watcher::create(server, KeyRange::single(key), from).await;
        'leads: loop {
            let events = watcher.next().await?;
            let last = events.last().map_or(0, |event| event.revision().get());
            for event in events.iter() {
                if event.row().tombstone {
                    break 'leads;
                }
                if sender
                    .send(Ok(respond(server, last, key_value(event))))
                    .await
                    .is_err()
                {
                    return Ok(());
                }
            }
        }
    }
}

/// Waits for a leader.
async fn first_put(server: &Server, prefix: &Bytes, from: i64) -> Result<pb::LeaderResponse, Status> {
    let all = KeyRange::from_wire(prefix.clone(), prefix_end(prefix));
    let mut watcher = Watcher::create(server, all, from).await;
    loop {
        let events = watcher.next().await?;
        if let Some(put) = events.iter().find(|event| !event.row().tombstone) {
            return Ok(respond(server, put.revision().get(), key_value(put)));
        }
    }
}

fn key_value(event: &Event) -> KeyValue {
    convert::key_value(event.row().key_value())
}

fn respond(server: &Server, revision: i64, kv: KeyValue) -> pb::LeaderResponse {
    pb::LeaderResponse {
        header: Some(convert::header(
            server.header_at(kv_types::Revision::new(revision)),
        )),
        kv: Some(kv),
    }
}
