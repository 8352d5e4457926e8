use openraft::raft::responder::Responder;
use tokio::sync::oneshot;

use crate::types::{LogId, TypeConfig};

/// Tells a proposer the first that is known of its proposal; it may have stopped listening.
pub(crate) struct Reply<T>(Option<oneshot::Sender<Replied<T>>>);

/// The fate of a proposal.
pub(crate) enum Replied<T> {
    /// It is committed here.
    Committed(LogId),
    /// It came to an end in another way, or was applied.
    Complete(T),
}

impl<T> Reply<T> {
    pub(crate) fn new() -> (Self, oneshot::Receiver<Replied<T>>) {
        let (sender, receiver) = oneshot::channel();
        (Self(Some(sender)), receiver)
    }
}

impl<T: Send + 'static> Responder<TypeConfig, T> for Reply<T> {
    fn on_commit(&mut self, log_id: LogId) {
        if let Some(sender) = self.0.take() {
            let _ = sender.send(Replied::Committed(log_id));
        }
    }

    fn on_complete(self, result: T) {
        if let Some(sender) = self.0 {
            let _ = sender.send(Replied::Complete(result));
        }
    }
}
