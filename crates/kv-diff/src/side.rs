use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use bytes::Bytes;
use kv_proto::etcdserverpb as etcd;
use kv_tests::{Process, free_ports};
use prost::Message;
use tempfile::TempDir;
use tonic::transport::{Channel, Endpoint};

use crate::answer::Answer;
use crate::calls::Calls;
use crate::names::Names;
use crate::op::Op;
use crate::symbol::{Clock, Leases};
use crate::watching::Watching;

/// How long a server may take to start, and a lease to go.
const PATIENCE: Duration = Duration::from_secs(60);
/// The key that is written to make revisions pass.
const PASSING: &[u8] = b"~";
/// Bytes that the other end may send before it must wait.
const WINDOW_BYTES: u32 = 8 << 20;

/// One of the two servers, and what its client knows.
#[derive(Debug)]
pub(crate) struct Side {
    calls: Calls,
    names: Names,
    watching: Option<Watching>,
    _process: Process,
    _data: TempDir,
}

impl Side {
    /// Starts a server of one member with fresh data.
    pub(crate) async fn start(binary: &Path, extra: &[&str]) -> Result<Self> {
        let memory = Path::new("/dev/shm");
        let data = match memory.is_dir() {
            true => tempfile::tempdir_in(memory)?,
            false => tempfile::tempdir()?,
        };
        let [client, peer] = free_ports::<2>().map(|port| format!("http://127.0.0.1:{port}"));
        let mut args = vec![
            "--name=m0".to_owned(),
            format!("--data-dir={}", data.path().join("m0").display()),
            format!("--listen-client-urls={client}"),
            format!("--advertise-client-urls={client}"),
            format!("--listen-peer-urls={peer}"),
            format!("--initial-advertise-peer-urls={peer}"),
            format!("--initial-cluster=m0={peer}"),
            "--log-level=error".to_owned(),
        ];
        args.extend(extra.iter().map(|&arg| arg.to_owned()));
        let process = Process::start(binary, &args)?;
        let channel = Endpoint::from_shared(client)?
            .tcp_nodelay(true)
            .initial_stream_window_size(WINDOW_BYTES)
            .initial_connection_window_size(WINDOW_BYTES)
            .connect_lazy();
        let names = names_once_it_serves(&channel)
            .await
            .with_context(|| process.output().text())?;
        Ok(Self {
            calls: Calls::new(channel),
            names,
            watching: None,
            _process: process,
            _data: data,
        })
    }

    pub(crate) fn watches(&self) -> bool {
        self.watching.as_ref().is_some_and(Watching::is_live)
    }

    /// Takes one step; its symbols are resolved.
    pub(crate) async fn perform(&mut self, op: Op, clock: &Clock) -> Answer {
        let mut op = op;
        op.resolve(clock, &self.names.leases);
        self.answer(op, clock).await.unwrap_or_else(|failure| failure)
    }

    async fn answer(&mut self, op: Op, clock: &Clock) -> Result<Answer, Answer> {
        match op {
            Op::Range(request) => {
                let mut answer = self.calls.unary("/etcdserverpb.KV/Range", &request).await?;
                self.names.range(&request, &mut answer);
                Ok(Answer::Range(answer))
            }
            Op::RangeStream(request) => self.range_stream(&request).await,
            Op::Put(request) => self.put(&request).await,
            Op::Delete(request) => {
                let mut answer = self.calls.unary("/etcdserverpb.KV/DeleteRange", &request).await?;
                self.names.delete(&mut answer);
                Ok(Answer::Delete(answer))
            }
            Op::Txn(request) => {
                let mut answer = self.calls.unary("/etcdserverpb.KV/Txn", &request).await?;
                self.names.txn(&request, &mut answer);
                Ok(Answer::Txn(answer))
            }
            Op::Compact(request) => {
                let path = "/etcdserverpb.KV/Compact";
                let mut answer: etcd::CompactionResponse = self.calls.unary(path, &request).await?;
                self.names.header(&mut answer.header);
                Ok(Answer::Compact(answer))
            }
            Op::Grant(request) => self.grant(&request).await,
            Op::GrantAndRevoke(request) => self.grant_and_revoke(&request).await,
            Op::Revoke(id) => self.revoke(id).await,
            Op::KeepAlive(ids) => self.keep_alive(&ids).await,
            Op::TimeToLive(request) => self.time_to_live(&request).await,
            Op::Leases => self.leases().await.map(Answer::Leases),
            Op::Expire(keys) => self.expire(keys).await,
            Op::Watch(request) => {
                let (names, calls) = (&self.names, &self.calls);
                let watching = self.watching.get_or_insert_with(|| Watching::open(calls));
                watching.create(request, clock.compacted, names).await
            }
            Op::CancelWatch(id) => match &mut self.watching {
                Some(watching) => watching.cancel(id, &self.names).await,
                None => Ok(Answer::Nothing),
            },
            Op::EmptyWatchRequest => {
                self.watching.iter().for_each(Watching::send_empty);
                Ok(Answer::Nothing)
            }
            Op::SyncWatches => self.sync_watches().await,
            Op::MemberList(linearizable) => self.member_list(linearizable).await,
            Op::Status => self.status().await,
            Op::Alarms(alarm) => {
                let request = etcd::AlarmRequest {
                    alarm,
                    ..Default::default()
                };
                let path = "/etcdserverpb.Maintenance/Alarm";
                let mut answer: etcd::AlarmResponse = self.calls.unary(path, &request).await?;
                self.names.header(&mut answer.header);
                Ok(Answer::Alarms(answer))
            }
            Op::HashKv(revision) => self.hash_kv(revision).await,
            Op::Raw { path, message } => {
                let answer = self.calls.raw(&path, message).await;
                let answer = answer.map_err(|status| Answer::Failure(status.into()))?;
                Ok(Answer::Raw(answer.len()))
            }
            Op::Reset => self.reset().await,
        }
    }

    async fn put(&self, request: &etcd::PutRequest) -> Result<Answer, Answer> {
        let mut answer = self.calls.unary("/etcdserverpb.KV/Put", request).await?;
        self.names.put(&mut answer);
        Ok(Answer::Put(answer))
    }

    async fn range_stream(&self, request: &etcd::RangeRequest) -> Result<Answer, Answer> {
        let requests = vec![request.encode_to_vec().into()];
        let path = "/etcdserverpb.KV/RangeStream";
        let (mut pieces, end) = self
            .calls
            .many::<etcd::RangeStreamResponse>(path, requests)
            .await?;
        for piece in &mut pieces {
            if let Some(answer) = &mut piece.range_response {
                self.names.range(request, answer);
            }
        }
        Ok(Answer::Pieces(pieces, end))
    }

    async fn grant(&mut self, request: &etcd::LeaseGrantRequest) -> Result<Answer, Answer> {
        let path = "/etcdserverpb.Lease/LeaseGrant";
        let mut answer: etcd::LeaseGrantResponse = self.calls.unary(path, request).await?;
        if request.id == 0 {
            self.names.leases.push(answer.id);
        }
        self.names.header(&mut answer.header);
        self.names.leases.unresolve(&mut answer.id);
        Ok(Answer::Grant(answer))
    }

    async fn revoke(&self, id: i64) -> Result<Answer, Answer> {
        let path = "/etcdserverpb.Lease/LeaseRevoke";
        let request = etcd::LeaseRevokeRequest { id };
        let mut answer: etcd::LeaseRevokeResponse = self.calls.unary(path, &request).await?;
        self.names.header(&mut answer.header);
        Ok(Answer::Revoke(answer))
    }

    async fn grant_and_revoke(&mut self, request: &etcd::LeaseGrantRequest) -> Result<Answer, Answer> {
        let granted = self.grant(request).await?;
        let Answer::Grant(lease) = &granted else {
            return Ok(granted);
        };
        let mut id = lease.id;
        self.names.leases.resolve(&mut id);
        Ok(Answer::Parts(vec![granted, self.revoke(id).await?]))
    }

    async fn keep_alive(&self, ids: &[i64]) -> Result<Answer, Answer> {
        let requests = ids.iter().map(|&id| {
            let request = etcd::LeaseKeepAliveRequest { id };
            Bytes::from(request.encode_to_vec())
        });
        let path = "/etcdserverpb.Lease/LeaseKeepAlive";
        let answers = self.calls.many(path, requests.collect()).await?;
        let (mut answers, end): (Vec<etcd::LeaseKeepAliveResponse>, _) = answers;
        for answer in &mut answers {
            self.names.header(&mut answer.header);
            self.names.leases.unresolve(&mut answer.id);
        }
        Ok(Answer::KeepAlive(answers, end))
    }

    async fn time_to_live(&self, request: &etcd::LeaseTimeToLiveRequest) -> Result<Answer, Answer> {
        let path = "/etcdserverpb.Lease/LeaseTimeToLive";
        let mut answer = self.calls.unary(path, request).await?;
        self.names.time_to_live(&mut answer);
        Ok(Answer::TimeToLive(answer))
    }

    async fn leases(&self) -> Result<etcd::LeaseLeasesResponse, Answer> {
        let path = "/etcdserverpb.Lease/LeaseLeases";
        let mut answer = self.calls.unary(path, &etcd::LeaseLeasesRequest {}).await?;
        self.names.lease_list(&mut answer);
        Ok(answer)
    }

    async fn expire(&mut self, keys: Vec<Bytes>) -> Result<Answer, Answer> {
        let lease = etcd::LeaseGrantRequest { id: 0, ttl: 1 };
        let mut parts = vec![self.grant(&lease).await?];
        let Some(Answer::Grant(granted)) = parts.last() else {
            return Ok(Answer::Parts(parts));
        };
        let mut id = granted.id;
        self.names.leases.resolve(&mut id);
        for key in keys {
            let request = etcd::PutRequest {
                key,
                lease: id,
                ..Default::default()
            };
            parts.push(self.put(&request).await?);
        }
        let request = etcd::LeaseTimeToLiveRequest { id, keys: true };
        let end = Instant::now() + PATIENCE;
        loop {
            let answer = self.time_to_live(&request).await?;
            if matches!(&answer, Answer::TimeToLive(left) if left.ttl == -1) {
                parts.push(answer);
                return Ok(Answer::Parts(parts));
            }
            if Instant::now() > end {
                return Err(Answer::Silence);
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// First makes a revision pass that no progress was told of, and all that watchers wait for.
    async fn sync_watches(&mut self) -> Result<Answer, Answer> {
        if !self.watches() {
            return Ok(Answer::Nothing);
        }
        let passing = etcd::PutRequest {
            key: Bytes::from_static(PASSING),
            ..Default::default()
        };
        let mut current = 0;
        while current == 0 || current < self.watching.as_ref().map_or(0, Watching::last_start) {
            current = self.put(&passing).await?.revision().unwrap_or(i64::MAX);
        }
        match &mut self.watching {
            Some(watching) => watching.sync(current, &self.names).await,
            None => Ok(Answer::Nothing),
        }
    }

    async fn member_list(&self, linearizable: bool) -> Result<Answer, Answer> {
        let request = etcd::MemberListRequest { linearizable };
        let path = "/etcdserverpb.Cluster/MemberList";
        let mut answer: etcd::MemberListResponse = self.calls.unary(path, &request).await?;
        self.names.header(&mut answer.header);
        for member in &mut answer.members {
            member.id = u64::from(member.id == self.names.member);
            for url in member.peer_ur_ls.iter_mut().chain(&mut member.client_ur_ls) {
                let host = url.rsplit_once(':').map_or("", |(host, _)| host);
                *url = host.to_owned();
            }
        }
        Ok(Answer::Members(answer))
    }

    /// Versions, sizes, and the position of the log are each server's own.
    async fn status(&self) -> Result<Answer, Answer> {
        let path = "/etcdserverpb.Maintenance/Status";
        let answer: etcd::StatusResponse = self.calls.unary(path, &etcd::StatusRequest {}).await?;
        let mut header = answer.header;
        self.names.header(&mut header);
        Ok(Answer::Status(Box::new(etcd::StatusResponse {
            header,
            version: String::new(),
            storage_version: String::new(),
            db_size: 0,
            db_size_in_use: 0,
            leader: u64::from(answer.leader == self.names.member),
            raft_index: u64::from(answer.raft_index > 0),
            raft_applied_index: u64::from(answer.raft_applied_index > 0),
            raft_term: u64::from(answer.raft_term == self.names.term),
            ..answer
        })))
    }

    async fn hash_kv(&self, revision: i64) -> Result<Answer, Answer> {
        let path = "/etcdserverpb.Maintenance/HashKV";
        let request = etcd::HashKvRequest { revision };
        let mut answer: etcd::HashKvResponse = self.calls.unary(path, &request).await?;
        self.names.header(&mut answer.header);
        // The hash covers the IDs of leases, which the servers choose.
        answer.hash = 0;
        Ok(Answer::HashKv(answer))
    }

    async fn reset(&mut self) -> Result<Answer, Answer> {
        self.watching = None;
        let all = etcd::DeleteRangeRequest {
            key: Bytes::from_static(&[0]),
            range_end: Bytes::from_static(&[0]),
            prev_kv: false,
        };
        let mut deleted: etcd::DeleteRangeResponse =
            self.calls.unary("/etcdserverpb.KV/DeleteRange", &all).await?;
        self.names.delete(&mut deleted);
        for lease in self.leases().await?.leases {
            let mut id = lease.id;
            self.names.leases.resolve(&mut id);
            self.revoke(id).await?;
        }
        self.names.leases.begin_script();
        self.names.leases_since = Instant::now();
        Ok(Answer::Delete(deleted))
    }
}

async fn names_once_it_serves(channel: &Channel) -> Result<Names> {
    let calls = Calls::new(channel.clone());
    let read = etcd::RangeRequest {
        key: Bytes::from_static(PASSING),
        ..Default::default()
    };
    let end = Instant::now() + PATIENCE;
    loop {
        let answer = calls.unary("/etcdserverpb.KV/Range", &read).await;
        let header = answer.map(|answer: etcd::RangeResponse| answer.header);
        match header {
            Ok(Some(header)) => {
                return Ok(Names {
                    cluster: header.cluster_id,
                    member: header.member_id,
                    term: header.raft_term,
                    leases: Leases::default(),
                    leases_since: Instant::now(),
                });
            }
            answer if Instant::now() > end => bail!("the server does not serve: {answer:?}"),
            _ => tokio::time::sleep(Duration::from_millis(20)).await,
        }
    }
}
