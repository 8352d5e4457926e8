use std::collections::VecDeque;
use std::time::Duration;

use tokio::time::Instant;

/// What was requested of the log on disk and is not durable yet. It is answered in order.
#[derive(Debug, Default)]
pub(crate) struct InFlight {
    requests: VecDeque<(Instant, usize)>,
    bytes: usize,
}

impl InFlight {
    /// Notes a request with so many bytes of entries.
    pub(crate) fn begin(&mut self, now: Instant, bytes: usize) {
        self.requests.push_back((now, bytes));
        self.bytes += bytes;
    }

    /// Notes the answer to the oldest request.
    pub(crate) fn end(&mut self) {
        if let Some((_, bytes)) = self.requests.pop_front() {
            self.bytes -= bytes;
        }
    }

    /// Bytes of entries that are not durable.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    /// How long the oldest request waits.
    pub(crate) fn oldest(&self, now: Instant) -> Duration {
        self.requests
            .front()
            .map_or(Duration::ZERO, |(since, _)| now.saturating_duration_since(*since))
    }
}
