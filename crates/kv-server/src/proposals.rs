use std::collections::VecDeque;

use bytes::Bytes;
use kv_machine::Proposal;
use kv_types::RequestId;
use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio::time::Instant;

use crate::RequestError;

/// Most bytes of proposals that wait to be taken into the log. Above it, requests are refused: the log does
/// not keep up, and a longer queue would only make every answer late.
const WAITING_BYTES_MAX: usize = 32 * 1024 * 1024;

/// A payload is closed once it is this long, so that one log entry stays cheap to copy and resend.
const PAYLOAD_BYTES: usize = 256 * 1024;

/// Proposals of this member that wait to be packed into a log entry.
#[derive(Debug, Default)]
pub(crate) struct ProposalQueue {
    waiting: Mutex<Waiting>,
    arrived: Notify,
}

#[derive(Debug, Default)]
struct Waiting {
    /// Oldest first; none is empty.
    packs: VecDeque<Pack>,
    /// Of all payloads.
    bytes: usize,
}

/// Proposals packed into the payload of one log entry.
#[derive(Debug)]
pub(crate) struct Pack {
    /// The payload.
    buffer: Vec<u8>,
    /// Who waits for its outcomes.
    pub(crate) ids: Vec<RequestId>,
    /// When the oldest came.
    pub(crate) since: Instant,
}

impl Pack {
    fn new() -> Self {
        Self {
            buffer: Vec::new(),
            ids: Vec::new(),
            since: Instant::now(),
        }
    }

    /// Splits into payload and who waits for it.
    pub(crate) fn into_parts(self) -> (Bytes, Vec<RequestId>) {
        (self.buffer.into(), self.ids)
    }
}

impl ProposalQueue {
    /// Queues a proposal of at most `bytes_max` bytes.
    pub(crate) fn push(&self, proposal: &Proposal, bytes_max: usize) -> Result<(), RequestError> {
        {
            let mut waiting = self.waiting.lock();
            if waiting.bytes >= WAITING_BYTES_MAX {
                return Err(RequestError::TooManyRequests);
            }
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
                waiting.bytes += length;
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
    pub(crate) fn take(&self) -> Option<Pack> {
        let mut waiting = self.waiting.lock();
        let pack = waiting.packs.pop_front()?;
        waiting.bytes -= pack.buffer.len();
        Some(pack)
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
        let packs: Vec<Pack> = std::iter::from_fn(|| queue.take()).collect();
        let ids: Vec<Vec<u64>> = packs
            .iter()
            .map(|pack| pack.ids.iter().map(|id| id.get()).collect())
            .collect();
        assert_eq!(ids, [vec![0, 1], vec![2]]);
        let (payload, _) = packs.into_iter().next().unwrap().into_parts();
        assert_eq!(
            Proposal::decode_all(&payload).unwrap(),
            [put(0, 200 * 1024), put(1, 200 * 1024)]
        );
    }

    #[tokio::test]
    async fn too_large_and_too_many_are_refused() {
        let queue = ProposalQueue::default();
        assert_eq!(queue.push(&put(1, 2000), 1000), Err(RequestError::TooLarge));
        let mut accepted = 0;
        let refusal = loop {
            match queue.push(&put(accepted, 1024 * 1024), usize::MAX) {
                Ok(()) => accepted += 1,
                Err(error) => break error,
            }
        };
        assert_eq!((refusal, accepted), (RequestError::TooManyRequests, 32));
        assert!(queue.take().is_some());
        assert_eq!(queue.push(&put(99, 1), usize::MAX), Ok(()));
        assert_eq!(std::iter::from_fn(|| queue.take()).count(), 32);
        assert_eq!(queue.waiting.lock().bytes, 0);
    }
}
