use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use kv_server::RequestError;
use tonic::Status;

use super::pool::{Held, Pool, Share};
use super::request::RequestBytes;
use crate::error::status;
use crate::method::Kind;

/// Calls in flight, streams included. Some 10 KiB of memory each.
const CALLS_MAX: u64 = 20_000;

/// Bytes of requests that are not all there yet or whose call goes on, beyond what each call has for nothing.
const REQUEST_BYTES_MAX: u64 = 128 << 20;

/// Bytes of answers being made, by estimate, and of those being sent.
const ANSWER_BYTES_MAX: u64 = 256 << 20;

/// How long an answer may wait for others to be sent.
const ROOM_PATIENCE: Duration = Duration::from_secs(2);

/// Resolves when an answer may grow.
pub(super) type Growing = Pin<Box<dyn Future<Output = ()> + Send>>;

/// What there is of a member for all its clients.
#[derive(Debug)]
pub(crate) struct Load {
    calls: Arc<Pool>,
    request_bytes: Arc<Pool>,
    answer_bytes: Arc<Pool>,
}

impl Default for Load {
    fn default() -> Self {
        Self {
            calls: Pool::new(CALLS_MAX),
            request_bytes: Pool::new(REQUEST_BYTES_MAX),
            answer_bytes: Pool::new(ANSWER_BYTES_MAX),
        }
    }
}

#[cfg(test)]
impl Load {
    pub(super) fn answer_bytes(&self) -> u64 {
        self.answer_bytes.used()
    }
}

/// What the client of one connection takes.
#[derive(Debug)]
pub(crate) struct Client {
    calls: Arc<Share>,
    request_bytes: Arc<Share>,
    answer_bytes: Arc<Share>,
}

impl Client {
    pub(crate) fn of(load: &Load) -> Arc<Self> {
        Arc::new(Self {
            calls: Share::of(&load.calls),
            request_bytes: Share::of(&load.request_bytes),
            answer_bytes: Share::of(&load.answer_bytes),
        })
    }

    /// Begins a call.
    pub(crate) fn call(&self) -> Result<Held, Status> {
        self.calls.try_hold(1).ok_or_else(too_many)
    }

    /// Counts what a call of this kind receives.
    pub(crate) fn request(&self, kind: Kind) -> RequestBytes {
        RequestBytes::new(self.request_bytes.hold_none(), kind)
    }

    /// Counts so much of an answer that is there already.
    pub(super) fn hold_answer(&self, bytes: u64) -> Arc<Held> {
        let held = self.answer_bytes.hold_none();
        held.set(bytes);
        Arc::new(held)
    }

    /// Returns when an answer may grow: when there is room, or this client has less than its share.
    pub(super) fn room_to_grow(&self) -> Option<Growing> {
        let share = Arc::clone(&self.answer_bytes);
        if share.try_hold(0).is_some() {
            return None;
        }
        Some(Box::pin(async move { drop(share.hold(0).await) }))
    }

    /// Waits until there is room for an answer of about so many bytes.
    pub(crate) async fn room_for_answer(&self, bytes: u64) -> Result<Arc<Held>, Status> {
        if let Some(held) = self.answer_bytes.try_hold(bytes) {
            return Ok(Arc::new(held));
        }
        let held = tokio::time::timeout(ROOM_PATIENCE, self.answer_bytes.hold(bytes)).await;
        held.map(Arc::new).map_err(|_| too_many())
    }
}

/// What is said when there is no room.
pub(crate) fn too_many() -> Status {
    status(RequestError::TooManyRequests)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn an_answer_waits_for_room_for_a_while_and_others_do_not_wait_for_it() {
        let load = Load::default();
        let [slow, other] = [(); 2].map(|()| Client::of(&load));
        let first = slow.room_for_answer(ANSWER_BYTES_MAX).await.unwrap();
        let refused = slow.room_for_answer(1).await.unwrap_err();
        assert_eq!(
            (refused.code(), refused.message()),
            (tonic::Code::ResourceExhausted, "etcdserver: too many requests")
        );
        assert!(other.room_for_answer(1 << 20).await.is_ok());
        let waiting = tokio::spawn(async move { slow.room_for_answer(1).await.is_ok() });
        tokio::task::yield_now().await;
        drop(first);
        assert!(waiting.await.unwrap());
    }

    #[test]
    fn one_client_cannot_keep_others_from_calling() {
        let load = Load::default();
        let [many, other] = [(); 2].map(|()| Client::of(&load));
        let calls: Vec<Held> = std::iter::from_fn(|| many.call().ok()).collect();
        assert_eq!(calls.len() as u64, CALLS_MAX);
        assert!(other.call().is_ok());
        drop(calls);
        assert!(many.call().is_ok());
    }
}
