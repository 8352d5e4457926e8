//! Read index, and questions to the leader.

use bytes::Bytes;
use futures_util::future::BoxFuture;
use kv_types::planted::{Bug, is_planted};
use kv_types::{LogIndex, MemberId};
use openraft::ReadPolicy;
use openraft::errors::{LinearizableReadError, RaftError};
use tokio::time::Instant;

use crate::codec::{self, ReadIndex};
use crate::core::{Core, until};
use crate::transport::{Call, TransportError};
use crate::types::LeaderId;
use crate::{AskError, ReadIndexError, Role};

/// Answers questions of other members that Raft has no part in, and of this one; called on the leader.
pub trait AskHandler: Send + Sync + 'static {
    /// Answers a question of `from`. The member may have lost its office meanwhile.
    fn ask(&self, from: MemberId, question: Bytes) -> BoxFuture<'static, Bytes>;
}

impl Core {
    pub(crate) async fn read_index(&self) -> Result<LogIndex, ReadIndexError> {
        let deadline = self.deadline();
        let mut unconfirmed = false;
        loop {
            if self.leadership.borrow().role == Role::Stopped {
                return Err(ReadIndexError::Stopped);
            }
            if let Some(leader) = self.leader() {
                match self.read_index_of(leader, deadline).await {
                    ReadIndex::At(index) => return Ok(LogIndex::new(index)),
                    ReadIndex::NotLeading => unconfirmed = false,
                    ReadIndex::NotConfirmed => unconfirmed = true,
                }
            }
            if Instant::now() >= deadline {
                let led = unconfirmed || self.leadership.borrow().leader.is_some();
                return Err(if led {
                    ReadIndexError::Timeout
                } else {
                    ReadIndexError::NoLeader
                });
            }
            self.pause().await;
        }
    }

    async fn read_index_of(&self, leader: LeaderId, deadline: Instant) -> ReadIndex {
        if self.is_me(&leader) {
            return until(deadline, self.read_index_here())
                .await
                .unwrap_or(ReadIndex::NotConfirmed);
        }
        let Some(peer) = self.peer(leader.node_id) else {
            return ReadIndex::NotLeading;
        };
        // A leader that cannot be reached is asked again soon, because by then there may be another.
        let timeout = self
            .options
            .election_timeout
            .min(deadline.saturating_duration_since(Instant::now()));
        let message = codec::encode_read_index_request();
        match self
            .transport
            .call(&peer, Call::ReadIndex, message, timeout)
            .await
        {
            Ok(answer) => codec::decode_read_index(answer).unwrap_or(ReadIndex::NotConfirmed),
            Err(_) => ReadIndex::NotConfirmed,
        }
    }

    /// Confirms with a quorum that this member leads.
    pub(crate) async fn read_index_here(&self) -> ReadIndex {
        if is_planted(Bug::ReadIndexWithoutQuorum) {
            return ReadIndex::At(
                self.progress
                    .applied
                    .borrow()
                    .map_or(0, |applied| applied.index()),
            );
        }
        match self.openraft.get_read_linearizer(ReadPolicy::ReadIndex).await {
            Ok(linearizer) => ReadIndex::At(linearizer.read_log_id().log_id().index()),
            Err(RaftError::APIError(LinearizableReadError::QuorumNotEnough(_))) => ReadIndex::NotConfirmed,
            Err(RaftError::APIError(LinearizableReadError::ForwardToLeader(_)) | RaftError::Fatal(_)) => {
                ReadIndex::NotLeading
            }
        }
    }

    pub(crate) async fn ask_leader(&self, question: Bytes) -> Result<Bytes, AskError> {
        let deadline = self.deadline();
        loop {
            if self.leadership.borrow().role == Role::Stopped {
                return Err(AskError::Stopped);
            }
            if let Some(leader) = self.leader() {
                let answer = if self.is_me(&leader) {
                    let answer = self.ask_here(self.options.member, question.clone());
                    until(deadline, answer)
                        .await
                        .ok_or_else(|| AskError::Lost("it took too long".into()))?
                } else {
                    self.ask_other(leader, &question, deadline).await?
                };
                if let Some(answer) = answer {
                    return Ok(answer);
                }
            }
            if Instant::now() >= deadline {
                return Err(AskError::NoLeader);
            }
            self.pause().await;
        }
    }

    async fn ask_other(
        &self,
        leader: LeaderId,
        question: &[u8],
        deadline: Instant,
    ) -> Result<Option<Bytes>, AskError> {
        let Some(peer) = self.peer(leader.node_id) else {
            return Ok(None);
        };
        let timeout = deadline.saturating_duration_since(Instant::now());
        match self
            .transport
            .call(&peer, Call::Ask, codec::encode_ask(question), timeout)
            .await
        {
            Ok(answer) => codec::decode_answer(answer).map_err(|error| AskError::Lost(error.to_string())),
            Err(TransportError::NotSent(_) | TransportError::Removed) => Ok(None),
            Err(TransportError::Lost(reason)) => Err(AskError::Lost(reason)),
        }
    }

    /// Nothing if this member does not lead.
    pub(crate) async fn ask_here(&self, from: MemberId, question: Bytes) -> Option<Bytes> {
        if self.leadership.borrow().leader != Some(self.options.member) {
            return None;
        }
        Some(self.ask_handler.ask(from, question).await)
    }
}
