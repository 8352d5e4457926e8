use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use kv_machine::{Command, Proposal};
use kv_types::RequestId;
use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio::time::Instant;

use crate::RequestError;

/// Most bytes of proposals that are not committed yet. Above it, requests are refused: the log does not keep up,
/// and a longer queue would only make every answer late.
const OPEN_BYTES_MAX: usize = 64 * 1024 * 1024;

/// Most proposals that are not committed yet: what a member can take in a part of the request timeout.
const OPEN_MAX: usize = 50_000;

/// What keeps others from piling up may exceed these bounds by this part.
const RESERVED_PART: usize = 4;

/// Nothing is taken while the oldest proposal has waited this long for its turn: what came behind it would be
/// carried out for clients that have given up.
const WAIT_MAX: Duration = Duration::from_secs(3);

/// A payload is closed once it is this long, so that one log entry stays cheap to copy and resend.
const PAYLOAD_BYTES: usize = 256 * 1024;

/// Proposals of this member on their way into the log.
#[derive(Debug, Default)]
pub(crate) struct ProposalQueue {
    waiting: Arc<Mutex<Waiting>>,
    arrived: Notify,
}

#[derive(Debug, Default)]
struct Waiting {
    /// Those that wait to be packed into a log entry; oldest first, none is empty.
    packs: VecDeque<Pack>,
    /// How much there is of these and of what was taken and is not done with.
    open: Size,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Size {
    proposals: usize,
    bytes: usize,
}

impl Waiting {
    /// Refuses what would only add to a backlog.
    fn admit(&self, command: &Command) -> Result<(), RequestError> {
        let reserve = |max: usize| {
            if is_relief(command) {
                max / RESERVED_PART
            } else {
                0
            }
        };
        let late = |pack: &Pack| pack.since.elapsed() > WAIT_MAX && !is_relief(command);
        if self.open.proposals >= OPEN_MAX + reserve(OPEN_MAX)
            || self.open.bytes >= OPEN_BYTES_MAX + reserve(OPEN_BYTES_MAX)
            || self.packs.front().is_some_and(late)
        {
            return Err(RequestError::TooManyRequests);
        }
        Ok(())
    }
}

/// Whether a command gives something back, or others wait for what it does.
fn is_relief(command: &Command) -> bool {
    matches!(
        command,
        Command::LeaseRevoke(_) | Command::LeaseExpire { .. } | Command::Compact(_) | Command::Publish { .. }
    )
}

/// Proposals packed into the payload of one log entry.
#[derive(Debug)]
struct Pack {
    buffer: Vec<u8>,
    ids: Vec<RequestId>,
    since: Instant,
}

impl Pack {
    fn new() -> Self {
        Self {
            buffer: Vec::new(),
            ids: Vec::new(),
            since: Instant::now(),
        }
    }

    fn size(&self) -> Size {
        Size {
            proposals: self.ids.len(),
            bytes: self.buffer.len(),
        }
    }
}

/// A pack that was taken, and counts until it is done with.
#[derive(Debug)]
pub(crate) struct Taken {
    /// What goes into the log.
    pub(crate) payload: Bytes,
    /// Who waits for its outcomes.
    pub(crate) ids: Vec<RequestId>,
    /// When the oldest came.
    pub(crate) since: Instant,
    size: Size,
    waiting: Arc<Mutex<Waiting>>,
}

impl Drop for Taken {
    fn drop(&mut self) {
        let open = &mut self.waiting.lock().open;
        open.proposals -= self.size.proposals;
        open.bytes -= self.size.bytes;
    }
}

impl ProposalQueue {
    /// Queues a proposal of at most `bytes_max` bytes.
    pub(crate) fn push(&self, proposal: &Proposal, bytes_max: usize) -> Result<(), RequestError> {
        {
            let mut waiting = self.waiting.lock();
            waiting.admit(&proposal.command)?;
            let mut pack = match waiting.packs.pop_back() {
                Some(pack) if pack.buffer.len() < PAYLOAD_BYTES => pack,
                full => {
                    waiting.packs.extend(full);
                    Pack::new()
                }
            };
            let start = pack.buffer.len();
            proposal.encode(&mut pack.buffer);
            let length = pack.buffer.len() - start;
            let too_large = length > bytes_max;
            if too_large {
                pack.buffer.truncate(start);
            } else {
                pack.ids.push(proposal.id);
                waiting.open.proposals += 1;
                waiting.open.bytes += length;
            }
            if !pack.ids.is_empty() {
                waiting.packs.push_back(pack);
            }
            if too_large {
                return Err(RequestError::TooLarge);
            }
        }
        self.arrived.notify_one();
        Ok(())
    }

    /// Returns when there may be proposals. Nothing is lost when the future is dropped.
    pub(crate) async fn arrived(&self) {
        if self.waiting.lock().packs.is_empty() {
            self.arrived.notified().await;
        }
    }

    /// Takes the oldest pack, if there is one.
    pub(crate) fn take(&self) -> Option<Taken> {
        let pack = self.waiting.lock().packs.pop_front()?;
        let size = pack.size();
        Some(Taken {
            payload: pack.buffer.into(),
            ids: pack.ids,
            since: pack.since,
            size,
            waiting: Arc::clone(&self.waiting),
        })
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use kv_machine::Command;
    use kv_mvcc::{PutLease, PutRequest, PutValue};

    use super::*;

    fn put(id: u64, value_bytes: usize) -> Proposal {
        let value = PutValue::New(Bytes::from(vec![7; value_bytes]));
        let request = PutRequest {
            key: "k".into(),
            value,
            lease: PutLease::Set(None),
            prev_kv: false,
        };
        Proposal {
            id: RequestId::new(id),
            caller: None,
            command: Command::Put(request),
        }
    }

    #[tokio::test]
    async fn waiting_proposals_are_packed_in_order() {
        let queue = ProposalQueue::default();
        for id in 0..3 {
            queue.push(&put(id, 200 * 1024), usize::MAX).unwrap();
        }
        queue.arrived().await;
        let packs: Vec<Taken> = std::iter::from_fn(|| queue.take()).collect();
        let ids: Vec<Vec<u64>> = packs
            .iter()
            .map(|pack| pack.ids.iter().map(|id| id.get()).collect())
            .collect();
        assert_eq!(ids, [vec![0, 1], vec![2]]);
        assert_eq!(
            Proposal::decode_all(&packs[0].payload).unwrap(),
            [put(0, 200 * 1024), put(1, 200 * 1024)]
        );
    }

    /// How many of these are accepted before one is refused.
    fn accepted(queue: &ProposalQueue, value_bytes: usize) -> u64 {
        let mut accepted = 0;
        loop {
            match queue.push(&put(accepted, value_bytes), usize::MAX) {
                Ok(()) => accepted += 1,
                Err(error) => {
                    assert_eq!(error, RequestError::TooManyRequests);
                    return accepted;
                }
            }
        }
    }

    #[tokio::test]
    async fn too_large_and_too_many_bytes_are_refused_until_those_taken_are_done_with() {
        let queue = ProposalQueue::default();
        assert_eq!(queue.push(&put(1, 2000), 1000), Err(RequestError::TooLarge));
        assert_eq!(accepted(&queue, 1024 * 1024), 64);
        let taken: Vec<Taken> = std::iter::from_fn(|| queue.take()).collect();
        assert_eq!((taken.len(), accepted(&queue, 1)), (64, 0));
        drop(taken);
        assert_eq!(queue.waiting.lock().open, Size::default());
        assert_eq!(accepted(&queue, 1024 * 1024), 64);
    }

    #[tokio::test]
    async fn what_gives_back_is_taken_when_nothing_else_is() {
        let queue = ProposalQueue::default();
        assert_eq!(accepted(&queue, 1), OPEN_MAX as u64);
        let revoke = |id| Proposal {
            id: RequestId::new(id),
            caller: None,
            command: Command::LeaseRevoke(kv_types::LeaseId::new(7)),
        };
        assert_eq!(queue.push(&revoke(1), usize::MAX), Ok(()));
        let more = (2..).take_while(|id| queue.push(&revoke(*id), usize::MAX).is_ok());
        assert_eq!(more.count(), OPEN_MAX / RESERVED_PART - 1);
    }

    #[tokio::test(start_paused = true)]
    async fn nothing_is_queued_behind_what_waits_too_long() {
        let queue = ProposalQueue::default();
        queue.push(&put(1, 1), usize::MAX).unwrap();
        tokio::time::advance(WAIT_MAX).await;
        queue.push(&put(2, 1), usize::MAX).unwrap();
        tokio::time::advance(Duration::from_millis(1)).await;
        assert_eq!(accepted(&queue, 1), 0);
        let taken = queue.take();
        assert_eq!(queue.push(&put(3, 1), usize::MAX), Ok(()));
        drop(taken);
    }
}
