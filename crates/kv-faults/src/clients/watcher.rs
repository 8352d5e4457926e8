use std::time::Duration;

use kv_client::{Client, ClientError, Watch};
use kv_proto::etcdserverpb::{WatchCreateRequest, WatchResponse};
use tokio::sync::watch;
use tokio::time::{Instant, interval, sleep, timeout};

use crate::clients::Recorder;
use crate::history::{Seen, Watched};

/// How often the stream is asked how far it has come.
const PROGRESS_INTERVAL: Duration = Duration::from_millis(500);
/// A stream that stays silent for this long is given up, as a client's proxy might do.
const SILENCE_MAX: Duration = Duration::from_secs(5);
/// Pause before a new connection.
const PAUSE: Duration = Duration::from_millis(100);
/// How long opening may take.
const OPEN_TIMEOUT: Duration = Duration::from_secs(3);

/// A client that watches, and goes on where it was when its connection breaks.
pub(crate) struct Watcher {
    pub(crate) client: Client,
    pub(crate) recorder: Recorder,
    pub(crate) watched: Watched,
}

/// Why one connection is over.
enum End {
    /// It came as far as it should.
    CaughtUp,
    Broken,
    Compacted,
}

impl Watcher {
    /// Watches until everything up to the revision in `goal` has come (0: go on), or `give_up` says that it is late.
    pub(crate) async fn run(
        mut self,
        mut goal: watch::Receiver<i64>,
        mut give_up: watch::Receiver<bool>,
    ) -> Watched {
        let mut next = self.watched.from;
        loop {
            let end = tokio::select! {
                end = self.connection(&mut next, &mut goal) => end,
                _ = give_up.wait_for(|late| *late) => return self.watched,
            };
            match end {
                End::CaughtUp => {
                    self.watched.caught_up = true;
                    return self.watched;
                }
                End::Compacted => return self.watched,
                End::Broken => sleep(PAUSE).await,
            }
            self.watched.seen.push(Seen::Resumed { from: next });
        }
    }

    /// One connection. `next`: everything before this revision has come.
    async fn connection(&mut self, next: &mut i64, goal: &mut watch::Receiver<i64>) -> End {
        let request = WatchCreateRequest {
            key: self.watched.keys.from.clone(),
            range_end: self.watched.keys.to.clone(),
            start_revision: *next,
            prev_kv: self.watched.prev_kv,
            progress_notify: true,
            ..WatchCreateRequest::default()
        };
        let Ok(Ok(mut stream)) = timeout(OPEN_TIMEOUT, self.client.watch(request)).await else {
            return End::Broken;
        };
        let mut ask = interval(PROGRESS_INTERVAL);
        let mut heard = Instant::now();
        loop {
            if *goal.borrow() != 0 && *next > *goal.borrow() {
                return End::CaughtUp;
            }
            tokio::select! {
                response = stream.next() => {
                    heard = Instant::now();
                    if let Some(end) = self.response(response, next) {
                        return end;
                    }
                }
                _ = ask.tick() => {
                    if heard.elapsed() > SILENCE_MAX || ask_progress(&stream).await.is_err() {
                        return End::Broken;
                    }
                }
            }
        }
    }

    fn response(
        &mut self,
        response: Result<Option<WatchResponse>, ClientError>,
        next: &mut i64,
    ) -> Option<End> {
        let at = self.recorder.clock.now();
        let Ok(Some(response)) = response else {
            return Some(End::Broken);
        };
        let revision = response.header.unwrap_or_default().revision;
        if response.compact_revision > 0 {
            let revision = response.compact_revision;
            self.watched.seen.push(Seen::Compacted { revision });
            return Some(End::Compacted);
        }
        if response.canceled {
            return Some(End::Broken);
        }
        if response.created {
            return None;
        }
        let events = response.events;
        match events.last().and_then(|event| event.kv.as_ref()) {
            Some(last) => {
                *next = (*next).max(last.mod_revision + 1);
                self.watched.seen.push(Seen::Events { at, revision, events });
            }
            None => {
                *next = (*next).max(revision + 1);
                self.watched.seen.push(Seen::Progress { at, revision });
            }
        }
        None
    }
}

async fn ask_progress(stream: &Watch) -> Result<(), ClientError> {
    let asked = timeout(PROGRESS_INTERVAL, stream.request_progress()).await;
    asked.unwrap_or(Ok(()))
}
