use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio::time::Instant;

/// When a message of a leader last came.
pub(crate) struct Heard {
    last: Mutex<Option<Instant>>,
    /// After so long a leader is taken for gone.
    silence_max: Duration,
    again: Notify,
}

impl Heard {
    pub(crate) fn new(silence_max: Duration) -> Self {
        Self {
            last: Mutex::new(None),
            silence_max,
            again: Notify::new(),
        }
    }

    /// Notes that a leader is alive.
    pub(crate) fn note(&self) {
        let now = Instant::now();
        let before = self.last.lock().replace(now);
        if !self.is_recent(before, now) {
            self.again.notify_one();
        }
    }

    pub(crate) fn recently(&self) -> bool {
        self.is_recent(*self.last.lock(), Instant::now())
    }

    fn is_recent(&self, last: Option<Instant>, now: Instant) -> bool {
        last.is_some_and(|last| now.saturating_duration_since(last) <= self.silence_max)
    }

    /// Waits for the first message after a silence; one that came while nobody waited counts.
    pub(crate) async fn again(&self) {
        self.again.notified().await;
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn the_first_message_and_the_first_after_a_silence_are_told() {
        let silence_max = Duration::from_secs(1);
        let heard = Heard::new(silence_max);
        let told = || heard.again().now_or_never().is_some();
        assert!(!heard.recently() && !told());
        heard.note();
        assert!(heard.recently() && told());
        tokio::time::advance(silence_max).await;
        heard.note();
        assert!(heard.recently() && !told(), "it was no silence");
        tokio::time::advance(silence_max + Duration::from_millis(1)).await;
        assert!(!heard.recently());
        heard.note();
        assert!(heard.recently() && told());
    }
}
