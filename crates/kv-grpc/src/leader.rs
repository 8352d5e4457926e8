//! Streams and calls that ask for a leader (metadata `hasleader: true`) rather see an error than silence.

use std::time::Duration;

use http::HeaderMap;
use kv_types::MemberId;
use tokio::sync::watch;
use tokio::time::timeout;
use tonic::Status;

use crate::error::NO_LEADER;

/// For how many election timeouts a stream may go on without a leader.
pub(crate) const ELECTION_TIMEOUTS: u32 = 3;

/// Whether the caller asks for a leader. Any other value than `true` means no.
pub(crate) fn is_required(headers: &HeaderMap) -> bool {
    headers.get("hasleader").is_some_and(|value| value == "true")
}

/// Resolves when no leader was known for all of `patience`. Never, once the member has stopped: its streams end
/// for that reason.
pub(crate) async fn lost(mut leader: watch::Receiver<Option<MemberId>>, patience: Duration) -> Status {
    loop {
        let gone = leader.wait_for(Option::is_none).await.is_ok();
        let back = async { leader.wait_for(Option::is_some).await.is_ok() };
        match timeout(patience, back).await {
            Err(_) if gone => return Status::unavailable(NO_LEADER),
            Ok(true) if gone => {}
            _ => std::future::pending().await,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATIENCE: Duration = Duration::from_secs(3);
    const LEADER: Option<MemberId> = Some(MemberId::new(1));

    #[tokio::test(start_paused = true)]
    async fn a_short_loss_is_tolerated_and_a_long_one_is_not() {
        let (sender, receiver) = watch::channel(LEADER);
        let lost = tokio::spawn(lost(receiver, PATIENCE));
        sender.send_replace(None);
        tokio::time::sleep(PATIENCE - Duration::from_millis(1)).await;
        sender.send_replace(LEADER);
        tokio::time::sleep(10 * PATIENCE).await;
        assert!(!lost.is_finished());
        sender.send_replace(None);
        let since = tokio::time::Instant::now();
        let status = lost.await.unwrap();
        assert_eq!(since.elapsed().as_secs(), PATIENCE.as_secs());
        assert_eq!(
            (status.code() as i32, status.message()),
            (14, "etcdserver: no leader")
        );
    }

    #[tokio::test(start_paused = true)]
    async fn a_stopped_member_is_not_a_lost_leader() {
        let (sender, receiver) = watch::channel(None);
        let lost = tokio::spawn(lost(receiver, PATIENCE));
        tokio::task::yield_now().await;
        drop(sender);
        tokio::time::sleep(10 * PATIENCE).await;
        assert!(!lost.is_finished());
    }

    #[test]
    fn only_the_word_true_asks_for_a_leader() {
        let required = |value: &str| {
            let mut headers = HeaderMap::new();
            headers.insert("hasleader", value.parse().unwrap());
            is_required(&headers)
        };
        assert!(required("true"));
        assert!(!required("false") && !required("True") && !required(""));
        assert!(!is_required(&HeaderMap::new()));
    }
}
