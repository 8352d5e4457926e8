use std::future::ready;

use bytes::Bytes;
use futures_util::stream::{BoxStream, StreamExt};
use kv_proto::kvd::peer::v1::Message;
use kv_proto::kvd::peer::v1::peer_server::{Peer, PeerServer};
use kv_raft::{Call, Flow, RaftService, ServiceError};
use tonic::{Request, Response, Status, Streaming};

use crate::Identity;
use crate::options::PeerOptions;

/// What the peers of a member call.
#[derive(Clone)]
pub struct PeerService {
    identity: Identity,
    raft: RaftService,
}

/// The service to mount on the listener of the peer URLs. That should use [`STREAM_WINDOW_BYTES`] and
/// [`CONNECTION_WINDOW_BYTES`] and set `TCP_NODELAY`.
///
/// [`STREAM_WINDOW_BYTES`]: crate::STREAM_WINDOW_BYTES
/// [`CONNECTION_WINDOW_BYTES`]: crate::CONNECTION_WINDOW_BYTES
pub fn service(options: &PeerOptions, raft: RaftService) -> PeerServer<PeerService> {
    PeerServer::new(PeerService {
        identity: options.identity,
        raft,
    })
    .max_decoding_message_size(options.message_bytes_max)
    .max_encoding_message_size(options.message_bytes_max)
}

type Answers = BoxStream<'static, Result<Message, Status>>;

impl PeerService {
    async fn call(&self, call: Call, request: Request<Message>) -> Result<Response<Message>, Status> {
        let from = self.identity.check(request.metadata())?;
        let answer = self.raft.call(from, call, request.into_inner().body).await;
        answer
            .map(|body| Response::new(Message { body }))
            .map_err(|error| status(&error))
    }

    fn stream(&self, flow: Flow, request: Request<Streaming<Message>>) -> Result<Response<Answers>, Status> {
        let from = self.identity.check(request.metadata())?;
        // The sender learns from its own end that the stream broke.
        let messages = request.into_inner().scan((), move |(), message| {
            let message = message.inspect_err(|status| {
                tracing::debug!(member_id = %from, %status, %flow, "stream of peer broke");
            });
            ready(message.ok().map(|message| message.body))
        });
        let messages: BoxStream<'static, Bytes> = messages.boxed();
        let answers = self.raft.stream(flow, messages).map(|answer| match answer {
            Ok(body) => Ok(Message { body }),
            Err(error) => Err(status(&error)),
        });
        Ok(Response::new(answers.boxed()))
    }
}

fn status(error: &ServiceError) -> Status {
    match error {
        ServiceError::Malformed { .. } => Status::invalid_argument(error.to_string()),
        ServiceError::Refused(_) => Status::aborted(error.to_string()),
        // The only one of its code: the sender stops at it.
        ServiceError::Removed => Status::not_found(error.to_string()),
        ServiceError::Stopped => Status::unavailable(error.to_string()),
    }
}

#[tonic::async_trait]
impl Peer for PeerService {
    async fn heartbeat(&self, request: Request<Message>) -> Result<Response<Message>, Status> {
        self.call(Call::Heartbeat, request).await
    }

    async fn vote(&self, request: Request<Message>) -> Result<Response<Message>, Status> {
        self.call(Call::Vote, request).await
    }

    async fn pre_vote(&self, request: Request<Message>) -> Result<Response<Message>, Status> {
        self.call(Call::PreVote, request).await
    }

    async fn transfer_leader(&self, request: Request<Message>) -> Result<Response<Message>, Status> {
        self.call(Call::TransferLeader, request).await
    }

    async fn propose(&self, request: Request<Message>) -> Result<Response<Message>, Status> {
        self.call(Call::Propose, request).await
    }

    async fn read_index(&self, request: Request<Message>) -> Result<Response<Message>, Status> {
        self.call(Call::ReadIndex, request).await
    }

    async fn ask(&self, request: Request<Message>) -> Result<Response<Message>, Status> {
        self.call(Call::Ask, request).await
    }

    type AppendStream = Answers;

    async fn append(&self, request: Request<Streaming<Message>>) -> Result<Response<Answers>, Status> {
        self.stream(Flow::Append, request)
    }

    type SnapshotStream = Answers;

    async fn snapshot(&self, request: Request<Streaming<Message>>) -> Result<Response<Answers>, Status> {
        self.stream(Flow::Snapshot, request)
    }
}
