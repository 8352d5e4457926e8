//! How a member learns that it is not one any more, although nobody sends it the log that says so.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use futures_util::stream::{BoxStream, StreamExt};
use tokio::sync::watch;

use crate::transport::{Answers, Call, Flow, Peer, Transport, TransportError};

/// Notes it when another member says that this one was removed.
pub(crate) struct Listening {
    pub(crate) transport: Arc<dyn Transport>,
    pub(crate) removed: Arc<watch::Sender<bool>>,
}

impl Transport for Listening {
    fn call(
        &self,
        to: &Peer,
        call: Call,
        message: Bytes,
        timeout: Duration,
    ) -> BoxFuture<'static, Result<Bytes, TransportError>> {
        let removed = Arc::clone(&self.removed);
        let answer = self.transport.call(to, call, message, timeout);
        Box::pin(async move { answer.await.inspect_err(|error| note(&removed, error)) })
    }

    fn stream(&self, to: &Peer, flow: Flow, messages: BoxStream<'static, Bytes>) -> Answers {
        let removed = Arc::clone(&self.removed);
        let answers = self.transport.stream(to, flow, messages);
        answers
            .inspect(move |answer| {
                if let Err(error) = answer {
                    note(&removed, error);
                }
            })
            .boxed()
    }
}

fn note(removed: &watch::Sender<bool>, error: &TransportError) {
    if matches!(error, TransportError::Removed) {
        removed.send_if_modified(|removed| !std::mem::replace(removed, true));
    }
}
