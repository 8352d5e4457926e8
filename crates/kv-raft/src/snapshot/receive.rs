use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::stream::BoxStream;
use tokio::sync::{mpsc, watch};

use super::{Incoming, SnapshotData};
use crate::ServiceError;
use crate::codec::{self, SnapshotAnswer, SnapshotMessage};
use crate::core::Core;
use crate::host;
use crate::types::{self, Snapshot, SnapshotMeta, Vote};

/// How often the sender is told that the installation goes on.
const INSTALLING_INTERVAL: Duration = Duration::from_secs(1);

/// Where answers to a transfer go.
pub(crate) type Answers = mpsc::Sender<Result<Bytes, ServiceError>>;

/// Receives the snapshots sent to this member, one at a time: a new transfer ends the one before.
pub(crate) struct Receiver {
    directory: PathBuf,
    /// Counts transfers, so that each notices that another has begun.
    transfers: watch::Sender<u64>,
    // Held by the transfer that writes the file.
    writing: tokio::sync::Mutex<()>,
}

impl Receiver {
    pub(crate) fn new(directory: PathBuf) -> Self {
        Self {
            directory,
            transfers: watch::Sender::new(0),
            writing: tokio::sync::Mutex::new(()),
        }
    }

    /// Receives and installs a snapshot.
    pub(crate) async fn receive(
        &self,
        core: &Core,
        mut messages: BoxStream<'static, Bytes>,
        answers: &Answers,
    ) -> Result<(), ServiceError> {
        self.transfers.send_modify(|transfers| *transfers += 1);
        let mut another = self.transfers.subscribe();
        let _writing = self.writing.lock().await;
        let Some(first) = messages.next().await else {
            return Ok(());
        };
        let SnapshotMessage::Offer { vote, meta, frames } = codec::decode_snapshot_message(first)? else {
            return Err(ServiceError::Refused(
                "a snapshot frame came before its offer".into(),
            ));
        };
        let own_vote = core.vote();
        if own_vote > vote {
            return say(answers, &SnapshotAnswer::Done(own_vote)).await;
        }
        check(&meta, &vote)?;
        let directory = self.directory.clone();
        let opened = meta.clone();
        let incoming = blocking(move || Incoming::open(&directory, opened, frames)).await?;
        let incoming = Arc::new(incoming);
        tracing::info!(
            snapshot = meta.id,
            frames,
            first = incoming.wanted(),
            "receiving snapshot"
        );
        say(answers, &SnapshotAnswer::Wanted(incoming.wanted())).await?;
        while !incoming.is_whole() {
            let message = tokio::select! {
                message = messages.next() => message,
                _ = another.changed() => None,
            };
            let Some(message) = message else {
                return Err(ServiceError::Refused(
                    "the snapshot ended early, or another came".into(),
                ));
            };
            let SnapshotMessage::Frame { number, crc, bytes } = codec::decode_snapshot_message(message)?
            else {
                return Err(ServiceError::Refused(
                    "a snapshot was offered during another".into(),
                ));
            };
            let file = Arc::clone(&incoming);
            blocking(move || file.push(number, crc, &bytes)).await?;
            say(answers, &SnapshotAnswer::Received(number + 1)).await?;
        }
        let vote = install(core, vote, &incoming, answers).await?;
        tracing::info!(snapshot = meta.id, log_index = %meta.log_id.index, "received snapshot");
        say(answers, &SnapshotAnswer::Done(vote)).await
    }
}

/// openraft panics at a snapshot its sender could not have; check before.
fn check(meta: &crate::SnapshotMeta, vote: &Vote) -> Result<(), ServiceError> {
    let log_id = types::from_log_id(&meta.log_id);
    if *log_id.committed_leader_id() > vote.leader_id || !vote.committed {
        return Err(ServiceError::Refused(format!(
            "snapshot at {} is none of the leader {vote}",
            meta.log_id
        )));
    }
    if !super::incoming::is_valid_id(&meta.id) {
        return Err(ServiceError::Refused("the ID of the snapshot is none".into()));
    }
    codec::decode_stored_membership(meta.membership.clone())?;
    Ok(())
}

async fn install(
    core: &Core,
    vote: Vote,
    incoming: &Arc<Incoming>,
    answers: &Answers,
) -> Result<Vote, ServiceError> {
    let meta = incoming.meta();
    let snapshot = Snapshot {
        meta: SnapshotMeta {
            last_log_id: Some(types::from_log_id(&meta.log_id)),
            last_membership: codec::decode_stored_membership(meta.membership.clone())?,
        },
        snapshot: SnapshotData::Received(Arc::clone(incoming)),
    };
    let installing = core.openraft().install_full_snapshot(vote, snapshot);
    tokio::pin!(installing);
    let mut remind = tokio::time::interval(INSTALLING_INTERVAL);
    loop {
        tokio::select! {
            response = &mut installing => {
                incoming.finish();
                return response.map(|response| response.vote).map_err(|_| ServiceError::Stopped);
            }
            _ = remind.tick() => {
                // The installation goes on even if nobody listens any more.
                let _ = say(answers, &SnapshotAnswer::Installing).await;
            }
        }
    }
}

async fn say(answers: &Answers, answer: &SnapshotAnswer) -> Result<(), ServiceError> {
    let gone = |_| ServiceError::Refused("the sender of the snapshot is gone".into());
    answers
        .send(Ok(codec::encode_snapshot_answer(answer)))
        .await
        .map_err(gone)
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> std::io::Result<T> + Send + 'static,
) -> Result<T, ServiceError> {
    let result = host::blocking(work).await.map_err(|_| ServiceError::Stopped)?;
    result.map_err(|error| ServiceError::Refused(format!("receive snapshot: {error}")))
}
