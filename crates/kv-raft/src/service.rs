use std::sync::Arc;

use bytes::Bytes;
use futures_util::stream::{self, BoxStream, Stream, StreamExt};
use kv_types::MemberId;
use openraft::raft::StreamAppendError;
use tokio::sync::mpsc;

use crate::ServiceError;
use crate::codec;
use crate::core::Core;
use crate::transport::{Call, Flow};
use crate::types::{AppendRequest, AppendResult};

/// Answers that wait to be sent. Append answers are few and small: openraft works on 64 requests at a time.
const ANSWERS_WAITING: usize = 64;

/// The receiving end of a member: takes what a [`Transport`](crate::Transport) brings.
#[derive(Clone)]
pub struct RaftService {
    core: Arc<Core>,
}

/// The way back of a [`RaftService::stream`].
pub type ServiceAnswers = BoxStream<'static, Result<Bytes, ServiceError>>;

impl RaftService {
    pub(crate) fn new(core: Arc<Core>) -> Self {
        Self { core }
    }

    /// Answers one message of the member `from`.
    ///
    /// # Errors
    /// [`ServiceError`] if the message cannot be understood, or this member has stopped.
    pub async fn call(&self, from: MemberId, call: Call, message: Bytes) -> Result<Bytes, ServiceError> {
        let core = &self.core;
        // A leader that was removed leads until it has handed over.
        let as_leader = matches!(call, Call::Heartbeat | Call::TransferLeader);
        if !as_leader && core.machine.is_removed(from) {
            return Err(ServiceError::Removed);
        }
        let stopped = |_| ServiceError::Stopped;
        match call {
            Call::Heartbeat => self.heartbeat(codec::decode_append(message)?).await,
            Call::Vote => {
                let request = codec::decode_vote_request(message)?;
                let response = core
                    .openraft
                    .vote(request)
                    .await
                    .map_err(|_| ServiceError::Stopped)?;
                Ok(codec::encode_vote_response(&response))
            }
            Call::PreVote => {
                let request = codec::decode_vote_request(message)?;
                let response = core
                    .openraft
                    .pre_vote(request)
                    .await
                    .map_err(|_| ServiceError::Stopped)?;
                Ok(codec::encode_vote_response(&response))
            }
            Call::TransferLeader => {
                let request = codec::decode_transfer(message)?;
                let response = core
                    .openraft
                    .handle_transfer_leader(request)
                    .await
                    .map_err(stopped)?;
                Ok(codec::encode_transfer_response(&response))
            }
            Call::Propose => {
                let (leader, proposal) = codec::decode_propose(message)?;
                Ok(codec::encode_proposed(core.propose_for(leader, proposal).await))
            }
            Call::ReadIndex => {
                codec::decode_read_index_request(message)?;
                Ok(codec::encode_read_index(core.read_index_here().await))
            }
            Call::Ask => {
                let answer = core.ask_here(from, codec::decode_ask(message)?).await;
                Ok(codec::encode_answer(answer.as_deref()))
            }
        }
    }

    /// Answers a stream of messages. The work goes on if the answers are dropped, as far as it must.
    pub fn stream(&self, flow: Flow, messages: BoxStream<'static, Bytes>) -> ServiceAnswers {
        match flow {
            Flow::Append => self.append(messages),
            Flow::Snapshot => self.snapshot(messages).boxed(),
        }
    }

    /// Answers a heartbeat. openraft answers only when all entries that came before are durable; but a heartbeat
    /// asks whether this member still follows the sender, and a slow disk must not make the sender look deposed, nor
    /// a read index wait for it. So it is answered as soon as openraft has dealt with it.
    async fn heartbeat(&self, request: AppendRequest) -> Result<Bytes, ServiceError> {
        let vote = request.vote;
        let matching = request.prev_log_id;
        let openraft = &self.core.openraft;
        let appended = openraft.append_entries(request);
        tokio::pin!(appended);
        // Polled first and once, so that openraft has the heartbeat before the question.
        let follows = tokio::select! {
            biased;
            response = &mut appended => {
                let response = response.map_err(|_| ServiceError::Stopped)?;
                return Ok(codec::encode_append_result(&self.heard(response.into_stream_result(matching, matching))));
            }
            follows = openraft.with_raft_state(move |state| *state.vote_ref() == vote) => follows,
        };
        if follows.map_err(|_| ServiceError::Stopped)? {
            return Ok(codec::encode_append_result(&self.heard(Ok(matching))));
        }
        let response = appended.await.map_err(|_| ServiceError::Stopped)?;
        Ok(codec::encode_append_result(
            &response.into_stream_result(matching, matching),
        ))
    }

    /// Notes that the leader was heard of, unless its message was out of date.
    fn heard(&self, result: AppendResult) -> AppendResult {
        if !matches!(result, Err(StreamAppendError::HigherVote(_))) {
            self.core.heard.note();
        }
        result
    }

    fn append(&self, messages: BoxStream<'static, Bytes>) -> ServiceAnswers {
        // The stream ends at a message that is none; the error is the last answer.
        let malformed = Arc::new(parking_lot::Mutex::new(None));
        let noted = Arc::clone(&malformed);
        let requests = messages.map(codec::decode_append).scan((), move |(), request| {
            let request = request.map_err(|error| *noted.lock() = Some(error)).ok();
            std::future::ready(request)
        });
        let service = self.clone();
        let results = self.core.openraft.stream_append(requests);
        let answers = results.map(move |result| match result {
            Ok(result) => Ok(codec::encode_append_result(&service.heard(result))),
            Err(_) => Err(ServiceError::Stopped),
        });
        let last = stream::once(async move {
            malformed
                .lock()
                .take()
                .map(|error| Err(ServiceError::from(error)))
        });
        answers.chain(last.filter_map(std::future::ready)).boxed()
    }

    fn snapshot(
        &self,
        messages: BoxStream<'static, Bytes>,
    ) -> impl Stream<Item = Result<Bytes, ServiceError>> + use<> {
        let (answers, queue) = mpsc::channel(ANSWERS_WAITING);
        let core = Arc::clone(&self.core);
        tokio::spawn(async move {
            if let Err(error) = core.receiver.receive(&core, messages, &answers).await {
                tracing::warn!(%error, "snapshot transfer ended");
                // The sender may be gone.
                let _ = answers.send(Err(error)).await;
            }
        });
        stream::unfold(
            queue,
            |mut queue| async move { Some((queue.recv().await?, queue)) },
        )
    }
}
