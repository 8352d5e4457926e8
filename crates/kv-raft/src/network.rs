//! openraft's network over a [`Transport`].

use std::collections::BTreeMap;
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use futures_util::stream::{self, BoxStream, Stream, StreamExt};
use kv_types::MemberId;
use openraft::errors::{NetworkError, RPCError, ReplicationClosed, StreamingError, Unreachable};
use openraft::network::{RPCOption, RaftNetworkFactory, RaftNetworkV2, stream_append_sequential};
use openraft::raft::{AppendEntriesResponse, SnapshotResponse};
use parking_lot::Mutex;

use crate::apply::Sending;
use crate::codec::{self, Malformed};
use crate::snapshot::{self, SnapshotData};
use crate::transport::{Answers, Call, Flow, Peer, Transport, TransportError};
use crate::types::{
    AppendRequest, AppendResult, Membership, Node, Snapshot, TransferRequest, TransferResponse, TypeConfig,
    Vote, VoteRequest, VoteResponse,
};

type RpcError = RPCError<TypeConfig>;

/// An append stream on which an answer is owed and nothing comes for so long is given up. Longer than a disk may
/// stall; a lost connection is noticed by the transport.
const APPEND_SILENCE_MAX: Duration = Duration::from_secs(10);

/// Where the members may be reached now: openraft keeps a client for as long as its member is one.
#[derive(Default)]
pub(crate) struct Addresses(Mutex<BTreeMap<u64, Vec<String>>>);

impl Addresses {
    /// Takes what the membership in force says.
    pub(crate) fn set(&self, membership: &Membership) {
        let urls = membership.nodes().map(|(id, node)| (*id, node.urls.clone()));
        *self.0.lock() = urls.collect();
    }

    fn of(&self, id: u64) -> Option<Vec<String>> {
        self.0.lock().get(&id).cloned()
    }
}

/// Makes a client for each member and purpose.
pub(crate) struct Network {
    pub(crate) transport: Arc<dyn Transport>,
    pub(crate) sending: Arc<Sending>,
    pub(crate) addresses: Arc<Addresses>,
}

/// A way to one member.
pub(crate) struct Client {
    transport: Arc<dyn Transport>,
    sending: Arc<Sending>,
    addresses: Arc<Addresses>,
    first: Peer,
    heartbeat: bool,
}

impl Network {
    fn client(&self, id: u64, node: &Node, heartbeat: bool) -> Client {
        Client {
            transport: Arc::clone(&self.transport),
            sending: Arc::clone(&self.sending),
            addresses: Arc::clone(&self.addresses),
            first: Peer {
                id: MemberId::new(id),
                urls: node.urls.clone(),
            },
            heartbeat,
        }
    }
}

impl RaftNetworkFactory<TypeConfig> for Network {
    type Network = Client;

    async fn new_client(&mut self, target: u64, node: &Node) -> Client {
        self.client(target, node, false)
    }

    async fn new_heartbeat_client(&mut self, target: u64, node: &Node) -> Client {
        self.client(target, node, true)
    }
}

impl Client {
    /// Whom to send to, at the address of this moment.
    fn peer(&self) -> Peer {
        let urls = self.addresses.of(self.first.id.get());
        Peer {
            id: self.first.id,
            urls: urls.unwrap_or_else(|| self.first.urls.clone()),
        }
    }

    async fn call<T>(
        &self,
        call: Call,
        message: Bytes,
        option: &RPCOption,
        decode: impl FnOnce(Bytes) -> Result<T, Malformed>,
    ) -> Result<T, RpcError> {
        let answer = self
            .transport
            .call(&self.peer(), call, message, option.hard_ttl())
            .await
            .map_err(rpc_error)?;
        decode(answer).map_err(|error| RPCError::Network(NetworkError::new(&error)))
    }
}

impl RaftNetworkV2<TypeConfig> for Client {
    type SnapshotData = SnapshotData;

    /// Heartbeats come this way; entries are streamed.
    async fn append_entries(
        &mut self,
        request: AppendRequest,
        option: RPCOption,
    ) -> Result<AppendEntriesResponse<TypeConfig>, RpcError> {
        let message = codec::encode_append(&request);
        let result = self
            .call(Call::Heartbeat, message, &option, codec::decode_append_result)
            .await?;
        Ok(AppendEntriesResponse::from(result))
    }

    fn stream_append<'s, S>(
        &'s mut self,
        input: S,
        option: RPCOption,
    ) -> BoxFuture<'s, Result<BoxStream<'s, Result<AppendResult, RpcError>>, RpcError>>
    where
        S: Stream<Item = AppendRequest> + Send + Unpin + 'static,
    {
        if self.heartbeat {
            return stream_append_sequential(self, input, option);
        }
        let (transport, peer) = (Arc::clone(&self.transport), self.peer());
        let open = async move {
            // openraft paces its attempts by when it hands out a request: without one there is nothing to attempt.
            let mut input = input;
            let first = input.next().await?;
            let sent = Arc::new(AtomicU64::new(0));
            let counter = Arc::clone(&sent);
            let messages = stream::iter([first]).chain(input).map(move |request| {
                counter.fetch_add(1, Ordering::Relaxed);
                codec::encode_append(&request)
            });
            let answers = transport.stream(&peer, Flow::Append, messages.boxed());
            let received = 0;
            Some(Owed {
                answers,
                sent,
                received,
            })
        };
        let answers = stream::once(open)
            .filter_map(std::future::ready)
            .flat_map(Owed::into_stream);
        Box::pin(async move { Ok(answers.boxed()) })
    }

    async fn vote(&mut self, request: VoteRequest, option: RPCOption) -> Result<VoteResponse, RpcError> {
        let message = codec::encode_vote_request(&request);
        self.call(Call::Vote, message, &option, codec::decode_vote_response)
            .await
    }

    async fn pre_vote(&mut self, request: VoteRequest, option: RPCOption) -> Result<VoteResponse, RpcError> {
        let message = codec::encode_vote_request(&request);
        self.call(Call::PreVote, message, &option, codec::decode_vote_response)
            .await
    }

    async fn transfer_leader(
        &mut self,
        request: TransferRequest,
        option: RPCOption,
    ) -> Result<TransferResponse, RpcError> {
        let message = codec::encode_transfer(&request);
        self.call(
            Call::TransferLeader,
            message,
            &option,
            codec::decode_transfer_response,
        )
        .await
    }

    async fn full_snapshot(
        &mut self,
        vote: Vote,
        snapshot: Snapshot,
        cancel: impl Future<Output = ReplicationClosed> + Send + 'static,
        _option: RPCOption,
    ) -> Result<SnapshotResponse<TypeConfig>, StreamingError<TypeConfig>> {
        let SnapshotData::Own(source) = snapshot.snapshot else {
            let reason = "a received snapshot is not sent on";
            return Err(StreamingError::Network(NetworkError::from_string(reason)));
        };
        let _sending = self.sending.begin(&source);
        let peer = self.peer();
        let vote = tokio::select! {
            vote = snapshot::send(&*self.transport, &peer, vote, source) => vote?,
            closed = cancel => return Err(StreamingError::Closed(closed)),
        };
        self.sending.arrived();
        Ok(SnapshotResponse::new(vote))
    }
}

/// Answers to a stream of requests, of which one is owed for each request sent.
struct Owed {
    answers: Answers,
    sent: Arc<AtomicU64>,
    received: u64,
}

impl Owed {
    fn into_stream(self) -> impl Stream<Item = Result<AppendResult, RpcError>> + Send {
        stream::unfold(Some(self), |owed| async move {
            let mut owed = owed?;
            match owed.next().await? {
                // A result that is no success ends the session on both sides.
                Ok(result) => Some((Ok(result.clone()), result.is_ok().then_some(owed))),
                Err(error) => Some((Err(error), None)),
            }
        })
    }

    async fn next(&mut self) -> Option<Result<AppendResult, RpcError>> {
        loop {
            let waiting_since = self.sent.load(Ordering::Relaxed);
            let answer = tokio::time::timeout(APPEND_SILENCE_MAX, self.answers.next()).await;
            match answer {
                Ok(None) => return None,
                Ok(Some(Ok(answer))) => {
                    self.received += 1;
                    let result = codec::decode_append_result(answer);
                    return Some(result.map_err(|error| RPCError::Network(NetworkError::new(&error))));
                }
                Ok(Some(Err(error))) => return Some(Err(rpc_error(error))),
                Err(_) if waiting_since > self.received => {
                    let silent = TransportError::Lost("no answer to append in time".into());
                    return Some(Err(rpc_error(silent)));
                }
                // Nothing was owed all the time.
                Err(_) => {}
            }
        }
    }
}

fn rpc_error(error: TransportError) -> RpcError {
    match error {
        TransportError::NotSent(_) | TransportError::Removed => {
            RPCError::Unreachable(Unreachable::new(&error))
        }
        TransportError::Lost(_) => RPCError::Network(NetworkError::new(&error)),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicUsize;

    use futures_util::FutureExt;

    use super::*;

    /// Reaches nobody, and counts the attempts.
    #[derive(Default)]
    struct Nobody(AtomicUsize);

    impl Transport for Nobody {
        fn call(
            &self,
            _: &Peer,
            _: Call,
            _: Bytes,
            _: Duration,
        ) -> BoxFuture<'static, Result<Bytes, TransportError>> {
            std::future::ready(Err(TransportError::NotSent("refused".into()))).boxed()
        }

        fn stream(&self, _: &Peer, _: Flow, _: BoxStream<'static, Bytes>) -> Answers {
            self.0.fetch_add(1, Ordering::Relaxed);
            stream::iter([Err(TransportError::NotSent("refused".into()))]).boxed()
        }
    }

    fn request() -> AppendRequest {
        AppendRequest {
            vote: Vote::new_committed(1, 1),
            prev_log_id: None,
            entries: Vec::new(),
            leader_commit: None,
        }
    }

    #[tokio::test]
    async fn a_member_is_not_tried_before_openraft_hands_out_a_request() {
        let nobody = Arc::new(Nobody::default());
        let transport = Arc::clone(&nobody);
        let sending = Arc::new(Sending::default());
        let addresses = Arc::new(Addresses::default());
        let mut network = Network {
            transport,
            sending,
            addresses,
        };
        let mut client = network.new_client(2, &Node::default()).await;
        let (hand_out, input) = tokio::sync::oneshot::channel();
        let input = stream::once(input)
            .filter_map(|request| std::future::ready(request.ok()))
            .boxed();
        let option = RPCOption::new(Duration::from_secs(1));
        let mut answers = client.stream_append(input, option).await.unwrap();

        assert!(answers.next().now_or_never().is_none());
        assert_eq!(
            nobody.0.load(Ordering::Relaxed),
            0,
            "it would be tried again and again without a pause"
        );

        assert!(hand_out.send(request()).is_ok());
        let answer = answers.next().await.unwrap();
        assert!(matches!(answer, Err(RPCError::Unreachable(_))));
        assert!(answers.next().await.is_none());
        assert_eq!(nobody.0.load(Ordering::Relaxed), 1);
    }
}
