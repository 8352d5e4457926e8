use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};

use kv_machine::Outcome;
use kv_raft::host;
use kv_types::RequestId;
use parking_lot::Mutex;
use tokio::sync::oneshot;

use crate::RequestError;

/// What a waiter is told.
pub(crate) type Answer = Result<Outcome, RequestError>;

/// Who waits for which proposal to be applied on this member.
///
/// Bounded by the number of requests in flight: a waiter leaves when its request ends, in whatever way.
#[derive(Debug, Default)]
pub(crate) struct Waiters {
    by_request: Mutex<HashMap<RequestId, oneshot::Sender<Answer>>>,
}

impl Waiters {
    pub(crate) fn register(&self, id: RequestId) -> oneshot::Receiver<Answer> {
        let (sender, receiver) = oneshot::channel();
        let before = self.by_request.lock().insert(id, sender);
        debug_assert!(before.is_none(), "request IDs are unique");
        receiver
    }

    /// Tells everyone who waits on this member; most of the outcomes of a follower have nobody.
    pub(crate) fn complete_all(&self, outcomes: Vec<(RequestId, Outcome)>) {
        let mut by_request = self.by_request.lock();
        if by_request.is_empty() {
            return;
        }
        for (id, outcome) in outcomes {
            if let Some(waiter) = by_request.remove(&id) {
                // The request may have ended meanwhile.
                let _ = waiter.send(Ok(outcome));
            }
        }
    }

    /// Ends the wait for proposals that are known not to have been made.
    pub(crate) fn fail_all(&self, ids: &[RequestId], error: &RequestError) {
        let mut by_request = self.by_request.lock();
        for id in ids {
            if let Some(waiter) = by_request.remove(id) {
                let _ = waiter.send(Err(error.clone()));
            }
        }
    }

    /// Whether one of these has not been told its outcome, and has not gone away either.
    pub(crate) fn any_waits(&self, ids: &[RequestId]) -> bool {
        let by_request = self.by_request.lock();
        ids.iter().any(|id| by_request.contains_key(id))
    }

    pub(crate) fn len(&self) -> usize {
        self.by_request.lock().len()
    }

    pub(crate) fn forget(&self, id: RequestId) {
        self.by_request.lock().remove(&id);
    }
}

/// Makes IDs that no other member makes, and this one not again after a restart: they are counted from a random
/// number, so that two that meet are as unlikely as two that are equal by chance. No clock has a part in it: one that
/// is set back would have a waiter told the outcome of what was proposed before a restart.
#[derive(Debug)]
pub(crate) struct RequestIds(AtomicU64);

impl RequestIds {
    pub(crate) fn new() -> Self {
        Self(AtomicU64::new(host::random_u64()))
    }

    pub(crate) fn next(&self) -> RequestId {
        RequestId::new(self.0.fetch_add(1, Ordering::Relaxed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Found by the simulation (seed 175): with the clock set back, a put was answered with the outcome of one that
    /// was proposed before a restart.
    #[test]
    fn ids_differ_among_members_and_across_restarts_whatever_the_clock_says() {
        let starts = [RequestIds::new(), RequestIds::new(), RequestIds::new()];
        let mut ids: Vec<u64> = starts
            .iter()
            .flat_map(|start| [start.next().get(), start.next().get()])
            .collect();
        ids.sort_unstable();
        ids.dedup();
        assert_eq!(ids.len(), 6);
    }

    #[tokio::test]
    async fn outcomes_reach_those_who_wait_and_no_others() {
        let waiters = Waiters::default();
        let [first, second] = [RequestId::new(1), RequestId::new(2)];
        let waiting = waiters.register(first);
        assert!(waiters.any_waits(&[second, first]));
        waiters.complete_all(vec![(second, Outcome::Published), (first, Outcome::Published)]);
        assert!(!waiters.any_waits(&[second, first]));
        assert!(matches!(waiting.await, Ok(Ok(Outcome::Published))));

        let waiting = waiters.register(second);
        waiters.fail_all(&[second], &RequestError::NoLeader);
        assert_eq!(waiting.await.unwrap().unwrap_err(), RequestError::NoLeader);
        assert!(waiters.by_request.lock().is_empty());
    }
}
