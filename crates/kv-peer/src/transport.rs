use std::collections::HashMap;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use futures_util::stream::{self, BoxStream, Stream, StreamExt, TryStreamExt};
use kv_proto::kvd::peer::v1::Message;
use kv_proto::kvd::peer::v1::peer_client::PeerClient;
use kv_raft::{Answers, Call, Flow, Peer, Transport, TransportError};
use kv_types::MemberId;
use parking_lot::Mutex;
use tonic::transport::Channel;
use tonic::{Code, Request, Status, Streaming};

use crate::lane::{Lane, Lease, describe};
use crate::options::PeerOptions;

/// Sends to the other members. Each has up to four connections, made when they are first needed, so that what
/// elections and clients wait for never queues behind entries, nor entries behind snapshots.
#[derive(Clone)]
pub struct PeerTransport {
    shared: Arc<Shared>,
}

struct Shared {
    options: PeerOptions,
    // Bounded by the members there ever were, times the purposes.
    lanes: Mutex<HashMap<(MemberId, Purpose), Arc<Lane>>>,
}

/// What a connection is for.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Purpose {
    Urgent,
    Requests,
    Append,
    Snapshot,
}

impl PeerTransport {
    /// Sends with these options.
    pub fn new(options: PeerOptions) -> Self {
        Self {
            shared: Arc::new(Shared {
                options,
                lanes: Mutex::default(),
            }),
        }
    }
}

impl Shared {
    fn lane(&self, to: &Peer, purpose: Purpose) -> Arc<Lane> {
        let mut lanes = self.lanes.lock();
        let known = lanes.get(&(to.id, purpose)).filter(|lane| lane.urls() == to.urls);
        if let Some(lane) = known {
            return Arc::clone(lane);
        }
        let lane = Arc::new(Lane::new(to.urls.clone(), self.options.clone()));
        lanes.insert((to.id, purpose), Arc::clone(&lane));
        lane
    }

    fn client(&self, lease: &Lease) -> PeerClient<Channel> {
        PeerClient::new(lease.channel.clone())
            .max_decoding_message_size(self.options.message_bytes_max)
            .max_encoding_message_size(self.options.message_bytes_max)
    }

    async fn open_stream(
        &self,
        lane: Arc<Lane>,
        to: MemberId,
        flow: Flow,
        messages: BoxStream<'static, Bytes>,
    ) -> Result<Answers, TransportError> {
        let lease = lane.lease().await.map_err(not_sent)?;
        let generation = lease.generation();
        let answers = begin(self.client(&lease), flow, self.request(to, Outgoing(messages))).await;
        let answers = answers.map_err(|status| failed(&lane, generation, &status))?;
        let answers = answers.map(move |answer| match answer {
            Ok(message) => Ok(message.body),
            Err(status) => Err(failed(&lane, generation, &status)),
        });
        Ok(answers.boxed())
    }

    fn request<T>(&self, to: MemberId, message: T) -> Request<T> {
        let mut request = Request::new(message);
        self.options.identity.sign(request.metadata_mut(), to);
        request
    }
}

impl Transport for PeerTransport {
    fn call(
        &self,
        to: &Peer,
        call: Call,
        message: Bytes,
        timeout: Duration,
    ) -> BoxFuture<'static, Result<Bytes, TransportError>> {
        let shared = Arc::clone(&self.shared);
        let lane = shared.lane(
            to,
            if call.is_urgent() {
                Purpose::Urgent
            } else {
                Purpose::Requests
            },
        );
        let to = to.id;
        Box::pin(async move {
            let sent = AtomicBool::new(false);
            let exchange = async {
                let lease = lane.lease().await.map_err(not_sent)?;
                sent.store(true, Ordering::Relaxed);
                let request = shared.request(to, Message { body: message });
                let answer = exchange(shared.client(&lease), call, request).await;
                answer.map_err(|status| failed(&lane, lease.generation(), &status))
            };
            let late = || {
                let reason = format!("{call} to {to}: timed out");
                if sent.load(Ordering::Relaxed) {
                    TransportError::Lost(reason)
                } else {
                    TransportError::NotSent(reason)
                }
            };
            tokio::time::timeout(timeout, exchange)
                .await
                .unwrap_or_else(|_| Err(late()))
        })
    }

    fn stream(&self, to: &Peer, flow: Flow, messages: BoxStream<'static, Bytes>) -> Answers {
        let shared = Arc::clone(&self.shared);
        let purpose = match flow {
            Flow::Append => Purpose::Append,
            Flow::Snapshot => Purpose::Snapshot,
        };
        let lane = shared.lane(to, purpose);
        let to = to.id;
        let open: BoxFuture<'static, Result<Answers, TransportError>> =
            Box::pin(async move { shared.open_stream(lane, to, flow, messages).await });
        stream::once(open).try_flatten().boxed()
    }
}

/// The messages of a stream.
struct Outgoing(BoxStream<'static, Bytes>);

impl Stream for Outgoing {
    type Item = Message;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Message>> {
        self.0
            .poll_next_unpin(context)
            .map(|body| Some(Message { body: body? }))
    }
}

async fn exchange(
    mut client: PeerClient<Channel>,
    call: Call,
    request: Request<Message>,
) -> Result<Bytes, Status> {
    let answer = match call {
        Call::Heartbeat => client.heartbeat(request).await,
        Call::Vote => client.vote(request).await,
        Call::PreVote => client.pre_vote(request).await,
        Call::TransferLeader => client.transfer_leader(request).await,
        Call::Propose => client.propose(request).await,
        Call::ReadIndex => client.read_index(request).await,
        Call::Ask => client.ask(request).await,
    };
    Ok(answer?.into_inner().body)
}

async fn begin(
    mut client: PeerClient<Channel>,
    flow: Flow,
    request: Request<Outgoing>,
) -> Result<Streaming<Message>, Status> {
    let answers = match flow {
        Flow::Append => client.append(request).await,
        Flow::Snapshot => client.snapshot(request).await,
    };
    Ok(answers?.into_inner())
}

fn not_sent(reason: Arc<str>) -> TransportError {
    TransportError::NotSent(reason.to_string())
}

/// What a status says of the message, and of the connection.
fn failed(lane: &Lane, generation: u64, status: &Status) -> TransportError {
    // A status that the other side sent has no cause on this side.
    if std::error::Error::source(status).is_some() {
        lane.lost(generation);
        return TransportError::Lost(describe(status));
    }
    let reason = format!("{}: {}", status.code(), status.message());
    if status.code() == Code::NotFound {
        return TransportError::Removed;
    }
    if matches!(
        status.code(),
        Code::FailedPrecondition | Code::InvalidArgument | Code::Unimplemented
    ) {
        tracing::warn!(urls = ?lane.urls(), reason, "peer refuses what it is sent");
        // It was refused before Raft saw it.
        return TransportError::NotSent(reason);
    }
    TransportError::Lost(reason)
}
