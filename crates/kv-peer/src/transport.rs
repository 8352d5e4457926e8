use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use futures_util::stream::{self, BoxStream, StreamExt};
use futures_util::{FutureExt, TryFutureExt};
use kv_proto::kvd::peer::v1::Message;
use kv_proto::kvd::peer::v1::peer_client::PeerClient;
use kv_raft::{Answers, Call, Flow, Peer, Transport, TransportError};
use tonic::transport::Channel;
use tonic::{Request, Response, Status, Streaming};

use crate::connections::{Connections, Purpose};
use crate::identity::PeerIdentity;

/// Sends messages to other members over gRPC. Plain text; a connector with TLS has its place in
/// `Connections::connect`.
pub struct PeerTransport {
    identity: PeerIdentity,
    connections: Arc<Connections>,
}

impl PeerTransport {
    /// A transport of the member `identity`. Connecting takes at most a second and an election timeout, as in etcd;
    /// a connection that is silent for two election timeouts, pings included, is given up.
    pub fn new(identity: PeerIdentity, election_timeout: Duration) -> Self {
        let connections = Connections::new(Duration::from_secs(1) + election_timeout, 2 * election_timeout);
        Self {
            identity,
            connections: Arc::new(connections),
        }
    }

    fn request<T>(&self, peer: &Peer, message: T) -> Request<T> {
        let mut request = Request::new(message);
        self.identity.sign(&mut request, peer.id);
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
        let client = match self.connections.client(to, Purpose::from(call)) {
            Ok(client) => client,
            Err(reason) => return async { Err(TransportError::NotSent(reason)) }.boxed(),
        };
        let request = self.request(to, Message { body: message });
        let (connections, peer) = (Arc::clone(&self.connections), to.clone());
        async move {
            let answer = tokio::time::timeout(timeout, send(client, call, request)).await;
            let answer = answer.unwrap_or_else(|_| Err(Status::deadline_exceeded("no answer in time")));
            answer.map(|answer| answer.into_inner().body).map_err(|status| {
                let error = transport_error(&status);
                if matches!(error, TransportError::NotSent(_)) {
                    connections.failed(&peer, Purpose::from(call));
                }
                error
            })
        }
        .boxed()
    }

    fn stream(&self, to: &Peer, flow: Flow, messages: BoxStream<'static, Bytes>) -> Answers {
        let client = match self.connections.client(to, Purpose::from(flow)) {
            Ok(client) => client,
            Err(reason) => return stream::once(async { Err(TransportError::NotSent(reason)) }).boxed(),
        };
        let request = self.request(to, messages.map(|body| Message { body }));
        let (connections, peer) = (Arc::clone(&self.connections), to.clone());
        let opened = open(client, flow, request).map_err(move |status| {
            let error = transport_error(&status);
            if matches!(error, TransportError::NotSent(_)) {
                connections.failed(&peer, Purpose::from(flow));
            }
            error
        });
        let answers = opened.map_ok(|answers| {
            answers.into_inner().map(|answer| {
                answer
                    .map(|message| message.body)
                    .map_err(|s| transport_error(&s))
            })
        });
        answers.try_flatten_stream().boxed()
    }
}

async fn send(
    mut client: PeerClient<Channel>,
    call: Call,
    request: Request<Message>,
) -> Result<Response<Message>, Status> {
    match call {
        Call::Heartbeat => client.heartbeat(request).await,
        Call::Vote => client.vote(request).await,
        Call::PreVote => client.pre_vote(request).await,
        Call::TransferLeader => client.transfer_leader(request).await,
        Call::Propose => client.propose(request).await,
        Call::ReadIndex => client.read_index(request).await,
        Call::Ask => client.ask(request).await,
    }
}

async fn open<S>(
    mut client: PeerClient<Channel>,
    flow: Flow,
    request: Request<S>,
) -> Result<Response<Streaming<Message>>, Status>
where
    S: stream::Stream<Item = Message> + Send + 'static,
{
    match flow {
        Flow::Append => client.append(request).await,
        Flow::Snapshot => client.snapshot(request).await,
    }
}

/// Whether a message that failed can have arrived: not if there was no connection to send it on.
fn transport_error(status: &Status) -> TransportError {
    let mut cause = status.source();
    while let Some(error) = cause {
        if error.is::<tonic::ConnectError>() {
            return TransportError::NotSent(format!("{status}: {error}"));
        }
        cause = error.source();
    }
    TransportError::Lost(status.to_string())
}
