use parking_lot::Mutex;
use tokio::sync::{Notify, oneshot};

use crate::RequestError;

type Waiter = oneshot::Sender<Result<(), RequestError>>;

/// Where linearizable reads wait for the next read-index round.
///
/// A round confirms with a quorum how far the log is committed, and waits until this member has applied that
/// much. It serves all reads that waited when it began; reads that come later take the next one, because what
/// a round saw may be older than they are.
#[derive(Debug, Default)]
pub(crate) struct ReadBarrier {
    waiting: Mutex<Vec<Waiter>>,
    arrived: Notify,
}

impl ReadBarrier {
    /// Returns once this member has applied everything that was acknowledged before the call.
    pub(crate) async fn pass(&self) -> Result<(), RequestError> {
        let (sender, receiver) = oneshot::channel();
        self.waiting.lock().push(sender);
        self.arrived.notify_one();
        receiver.await.unwrap_or(Err(RequestError::Stopped))
    }

    /// Waits for reads, and takes all of them for one round.
    pub(crate) async fn next_round(&self) -> Round {
        loop {
            let arrived = self.arrived.notified();
            let waiters = std::mem::take(&mut *self.waiting.lock());
            if !waiters.is_empty() {
                return Round(waiters);
            }
            arrived.await;
        }
    }
}

/// The reads that one round serves.
#[derive(Debug)]
pub(crate) struct Round(Vec<Waiter>);

impl Round {
    /// Tells them all.
    pub(crate) fn complete(self, result: &Result<(), RequestError>) {
        for waiter in self.0 {
            // The read may have been given up meanwhile.
            let _ = waiter.send(result.clone());
        }
    }

    /// Whether nobody waits any more.
    pub(crate) fn is_abandoned(&self) -> bool {
        self.0.iter().all(oneshot::Sender::is_closed)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    #[tokio::test]
    async fn one_round_serves_all_who_wait_and_none_who_come_later() {
        let barrier = Arc::new(ReadBarrier::default());
        let pass = || {
            let barrier = Arc::clone(&barrier);
            tokio::spawn(async move { barrier.pass().await })
        };
        let early = [pass(), pass()];
        tokio::task::yield_now().await;
        let round = barrier.next_round().await;
        let late = pass();
        tokio::task::yield_now().await;
        round.complete(&Ok(()));
        for read in early {
            assert_eq!(read.await.unwrap(), Ok(()));
        }
        assert!(!late.is_finished());
        barrier
            .next_round()
            .await
            .complete(&Err(RequestError::LeaderChanged));
        assert_eq!(late.await.unwrap(), Err(RequestError::LeaderChanged));
    }
}
