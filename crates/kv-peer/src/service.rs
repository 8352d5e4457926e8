use futures_util::future::ready;
use futures_util::stream::{BoxStream, StreamExt};
use kv_proto::kvd::peer::v1::Message;
use kv_proto::kvd::peer::v1::peer_server::{Peer, PeerServer};
use kv_raft::{Call, Flow, RaftService, ServiceError};
use tonic::{Request, Response, Status, Streaming};

use crate::MESSAGE_BYTES_MAX;
use crate::identity::PeerIdentity;

/// The gRPC service for the peer URL of the member `identity`. It answers only members of the same cluster that
/// mean this member.
pub fn peer_service(identity: PeerIdentity, raft: RaftService) -> PeerServer<impl Peer> {
    PeerServer::new(Receiver { identity, raft })
        .max_decoding_message_size(MESSAGE_BYTES_MAX)
        .max_encoding_message_size(MESSAGE_BYTES_MAX)
}

struct Receiver {
    identity: PeerIdentity,
    raft: RaftService,
}

type Reply = Result<Response<Message>, Status>;
type Replies = Result<Response<BoxStream<'static, Result<Message, Status>>>, Status>;

impl Receiver {
    async fn call(&self, call: Call, request: Request<Message>) -> Reply {
        let from = self.identity.check(request.metadata())?;
        let answer = self.raft.call(from, call, request.into_inner().body).await;
        answer
            .map(|body| Response::new(Message { body }))
            .map_err(|error| status(&error))
    }

    fn stream(&self, flow: Flow, request: Request<Streaming<Message>>) -> Replies {
        self.identity.check(request.metadata())?;
        // A stream that breaks off ends: what came whole has been taken.
        let messages = request
            .into_inner()
            .map(Result::ok)
            .take_while(|message| ready(message.is_some()));
        let bodies = messages.filter_map(|message| ready(message.map(|message| message.body)));
        let answers = self.raft.stream(flow, bodies.boxed());
        let answers = answers.map(|answer| {
            answer
                .map(|body| Message { body })
                .map_err(|error| status(&error))
        });
        Ok(Response::new(answers.boxed()))
    }
}

fn status(error: &ServiceError) -> Status {
    let text = error.to_string();
    match error {
        ServiceError::Malformed { .. } => Status::invalid_argument(text),
        ServiceError::Refused(_) => Status::failed_precondition(text),
        ServiceError::Stopped => Status::unavailable(text),
    }
}

#[tonic::async_trait]
impl Peer for Receiver {
    type AppendStream = BoxStream<'static, Result<Message, Status>>;
    type SnapshotStream = BoxStream<'static, Result<Message, Status>>;

    async fn heartbeat(&self, request: Request<Message>) -> Reply {
        self.call(Call::Heartbeat, request).await
    }

    async fn vote(&self, request: Request<Message>) -> Reply {
        self.call(Call::Vote, request).await
    }

    async fn pre_vote(&self, request: Request<Message>) -> Reply {
        self.call(Call::PreVote, request).await
    }

    async fn transfer_leader(&self, request: Request<Message>) -> Reply {
        self.call(Call::TransferLeader, request).await
    }

    async fn propose(&self, request: Request<Message>) -> Reply {
        self.call(Call::Propose, request).await
    }

    async fn read_index(&self, request: Request<Message>) -> Reply {
        self.call(Call::ReadIndex, request).await
    }

    async fn ask(&self, request: Request<Message>) -> Reply {
        self.call(Call::Ask, request).await
    }

    async fn append(&self, request: Request<Streaming<Message>>) -> Replies {
        self.stream(Flow::Append, request)
    }

    async fn snapshot(&self, request: Request<Streaming<Message>>) -> Replies {
        self.stream(Flow::Snapshot, request)
    }
}
