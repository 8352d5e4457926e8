use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::stream;
use openraft::errors::{NetworkError, StreamingError, Unreachable};
use tokio::sync::mpsc;
use tokio::task::AbortHandle;

use crate::codec::{self, SnapshotAnswer, SnapshotMessage};
use crate::host;
use crate::transport::{Flow, Peer, Transport, TransportError};
use crate::types::{TypeConfig, Vote};
use crate::{SnapshotError, SnapshotSource};

/// A transfer in which so long nothing is heard is given up, to be taken up again.
const SILENCE_MAX: Duration = Duration::from_secs(30);

/// Frames read ahead of the connection.
const FRAMES_AHEAD: usize = 2;

/// Sends a snapshot, or what the other member is missing of it. Returns its vote once it is installed there, or if
/// that is higher.
pub(crate) async fn send(
    transport: &dyn Transport,
    peer: &Peer,
    vote: Vote,
    source: Arc<dyn SnapshotSource>,
) -> Result<Vote, StreamingError<TypeConfig>> {
    let (messages, queue) = mpsc::channel::<Bytes>(FRAMES_AHEAD);
    let meta = source.meta();
    tracing::info!(member_id = %peer.id, snapshot = meta.id, log_index = %meta.log_id.index, "sending snapshot");
    let offer = SnapshotMessage::Offer {
        vote,
        meta,
        frames: source.frames(),
    };
    // The queue is empty, so this does not wait.
    let _ = messages.send(codec::encode_snapshot_message(&offer)).await;
    let outgoing = stream::unfold(
        queue,
        |mut queue| async move { Some((queue.recv().await?, queue)) },
    );
    let mut answers = transport.stream(peer, Flow::Snapshot, outgoing.boxed());
    let mut messages = Some(messages);
    let mut feeding: Option<AbortOnDrop> = None;
    loop {
        let answer = match tokio::time::timeout(SILENCE_MAX, answers.next()).await {
            Ok(Some(answer)) => answer.map_err(broken)?,
            Ok(None) => return Err(lost("the other member ended the transfer")),
            Err(_) => return Err(lost("the other member is silent")),
        };
        match codec::decode_snapshot_answer(answer).map_err(|error| lost(&error.to_string()))? {
            SnapshotAnswer::Wanted(first) => {
                let Some(messages) = messages.take() else {
                    return Err(lost("the other member began twice"));
                };
                tracing::info!(member_id = %peer.id, first, frames = source.frames(), "snapshot frames wanted");
                let feed = tokio::spawn(feed(Arc::clone(&source), first, messages));
                feeding = Some(AbortOnDrop(feed.abort_handle()));
            }
            SnapshotAnswer::Received(frames) => tracing::trace!(frames, "snapshot frames received"),
            SnapshotAnswer::Installing => {
                tracing::debug!(member_id = %peer.id, "snapshot is being installed")
            }
            SnapshotAnswer::Done(vote) => {
                drop(feeding);
                return Ok(vote);
            }
        }
    }
}

/// Ends the reading of frames when nobody sends them any more.
struct AbortOnDrop(AbortHandle);

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Reads frames and queues them; an error ends the transfer by ending the queue.
async fn feed(source: Arc<dyn SnapshotSource>, first: u64, messages: mpsc::Sender<Bytes>) {
    for number in first..source.frames() {
        let source = Arc::clone(&source);
        let read = host::blocking(move || source.frame(number));
        let frame = read.await.unwrap_or_else(|error| Err(SnapshotError::new(error)));
        let bytes = match frame {
            Ok(bytes) => bytes,
            Err(error) => {
                tracing::error!(%error, number, "snapshot frame cannot be read");
                return;
            }
        };
        let crc = crc32c::crc32c(&bytes);
        let message = codec::encode_snapshot_message(&SnapshotMessage::Frame { number, crc, bytes });
        if messages.send(message).await.is_err() {
            return;
        }
    }
}

fn lost(reason: &str) -> StreamingError<TypeConfig> {
    StreamingError::Network(NetworkError::from_string(reason))
}

fn broken(error: TransportError) -> StreamingError<TypeConfig> {
    match error {
        TransportError::NotSent(_) | TransportError::Removed => {
            StreamingError::Unreachable(Unreachable::new(&error))
        }
        TransportError::Lost(_) => StreamingError::Network(NetworkError::new(&error)),
    }
}
