//! Proposals: to this member's log if it leads, to the leader's otherwise.

use bytes::Bytes;
use kv_types::LogIndex;
use openraft::errors::ClientWriteError;
use tokio::time::Instant;

use crate::codec::{self, Proposed};
use crate::core::{Core, Stopped, until};
use crate::reply::{Replied, Reply};
use crate::transport::{Call, TransportError};
use crate::types::{Command, LeaderId};
use crate::{ProposeError, Role};

/// A leader whose disk does not keep up takes no more proposals than this many bytes.
const PENDING_BYTES_MAX: usize = 64 * 1024 * 1024;

impl Core {
    pub(crate) async fn propose(&self, proposal: Bytes) -> Result<LogIndex, ProposeError> {
        let deadline = self.deadline();
        loop {
            if self.leadership.borrow().role == Role::Stopped {
                return Err(ProposeError::Stopped);
            }
            if let Some(leader) = self.leader() {
                let installs = self.installs();
                match self.propose_to(leader, &proposal, deadline).await {
                    Proposed::Committed(index) => return Ok(LogIndex::new(index)),
                    Proposed::Unknown => return Err(self.outlive(leader, installs, deadline).await),
                    Proposed::NotTaken => {}
                }
            }
            if Instant::now() >= deadline {
                return Err(if self.log.is_full() {
                    ProposeError::NoSpace
                } else {
                    ProposeError::NoLeader
                });
            }
            self.pause().await;
        }
    }

    async fn propose_to(&self, leader: LeaderId, proposal: &Bytes, deadline: Instant) -> Proposed {
        if self.is_me(&leader) {
            return until(deadline, self.propose_here(leader, proposal.clone()))
                .await
                .unwrap_or(Proposed::Unknown);
        }
        let Some(peer) = self.peer(leader.node_id) else {
            return Proposed::NotTaken;
        };
        let message = codec::encode_propose(&leader, proposal);
        let timeout = deadline.saturating_duration_since(Instant::now());
        let call = self.transport.call(&peer, Call::Propose, message, timeout);
        tokio::select! {
            answer = call => match answer {
                Ok(answer) => codec::decode_proposed(answer).unwrap_or(Proposed::Unknown),
                Err(TransportError::NotSent(_) | TransportError::Removed) => Proposed::NotTaken,
                Err(TransportError::Lost(_)) => Proposed::Unknown,
            },
            // No answer of the old leader can come any more that says more than this.
            _ = self.wait_superseded(leader) => Proposed::Unknown,
        }
    }

    /// Takes a proposal that another member makes to `leader`, which should be this one.
    pub(crate) async fn propose_for(&self, leader: LeaderId, proposal: Bytes) -> Proposed {
        if !self.is_me(&leader) {
            return Proposed::NotTaken;
        }
        until(self.deadline(), self.propose_here(leader, proposal))
            .await
            .unwrap_or(Proposed::Unknown)
    }

    /// Puts a proposal into this member's log, if it is the very leader the proposal is meant for: only then can the
    /// proposer tell from a later leader's entries that it will not be applied any more.
    pub(crate) async fn propose_here(&self, leader: LeaderId, proposal: Bytes) -> Proposed {
        if self.log.pending_bytes() > PENDING_BYTES_MAX {
            return Proposed::NotTaken;
        }
        let (reply, replied) = Reply::new();
        let write = self
            .openraft
            .write(Command(proposal))
            .with_leader(leader)
            .responder(reply);
        if write.await.is_err() {
            return Proposed::Unknown;
        }
        tokio::select! {
            replied = replied => match replied {
                Ok(Replied::Committed(log_id)) => Proposed::Committed(log_id.index()),
                Ok(Replied::Complete(Ok(response))) => Proposed::Committed(response.log_id.index()),
                Ok(Replied::Complete(Err(ClientWriteError::ForwardToLeader(_)))) => Proposed::NotTaken,
                Ok(Replied::Complete(Err(_))) | Err(_) => Proposed::Unknown,
            },
            _ = self.wait_superseded(leader) => Proposed::Unknown,
        }
    }

    /// What is to be said of a proposal that `leader` took and did not answer.
    async fn outlive(&self, leader: LeaderId, installs: u64, deadline: Instant) -> ProposeError {
        match until(deadline, self.wait_superseded(leader)).await {
            Some(Ok(era)) if era.installs == installs => ProposeError::Superseded,
            // It may have been in a snapshot that was installed.
            Some(Ok(_)) | None => ProposeError::Unknown,
            Some(Err(Stopped)) => ProposeError::Stopped,
        }
    }
}
