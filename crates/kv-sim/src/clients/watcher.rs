use std::time::Duration;

use kv_server::{Streamed, WatchStream};
use kv_types::Revision;
use kv_watch::{Filters, Outgoing, WatchCreate};

use super::Desk;
use super::request;
use crate::chance;
use crate::invariants::watches::Watched;
use crate::seat::Door;

/// Watches, loses its connection now and then, and resumes elsewhere.
pub(crate) struct Watcher {
    desk: Desk,
    watched: Watched,
}

impl Watcher {
    pub(crate) fn new(mut desk: Desk) -> Self {
        let watched = Watched {
            range: request::range(&mut desk.random),
            prev_kv: chance::percent(&mut desk.random, 50),
            next: Revision::new(2),
        };
        Self { desk, watched }
    }

    pub(crate) async fn run(mut self) {
        while let Some(door) = self.desk.door().await {
            self.watch(&door).await;
            self.desk.think(200).await;
            self.desk.move_on();
        }
    }

    /// One connection.
    async fn watch(&mut self, door: &Door) {
        let mut stream = door.server.watch_stream();
        stream
            .create(WatchCreate {
                range: self.watched.range.clone(),
                start: Some(self.watched.next),
                id: None,
                filters: Filters::default(),
                prev_kv: self.watched.prev_kv,
                progress_notify: true,
                fragment: false,
            })
            .await;
        let mut down = door.down.clone();
        let end = tokio::time::sleep(chance::millis(&mut self.desk.random, 200..15_000));
        tokio::pin!(end);
        // A client that is slow, for its watcher to fall behind.
        let lag = chance::one_of(&mut self.desk.random, &[0, 0, 0, 300]);
        loop {
            tokio::select! {
                biased;
                _ = down.wait_for(|down| *down) => return,
                () = &mut end => return,
                () = self.desk.stopped() => return,
                response = stream.next() => {
                    let Ok(Some(Streamed::Response(response))) = response else {
                        return;
                    };
                    if !self.take(response) {
                        return;
                    }
                }
            }
            self.ask_for_progress(&mut stream);
            tokio::time::sleep(Duration::from_millis(lag)).await;
        }
    }

    fn ask_for_progress(&mut self, stream: &mut WatchStream) {
        if chance::percent(&mut self.desk.random, 20) {
            stream.request_progress();
        }
    }

    /// Checks a response; whether the watcher goes on.
    fn take(&mut self, response: Outgoing) -> bool {
        let world = self.desk.cluster.world.clone();
        let truth = world.truth();
        let (verdict, goes_on) = match response {
            Outgoing::Created { .. } => (Ok(()), true),
            Outgoing::Events { events, .. } => {
                world.checked("watch responses");
                (self.watched.events(&truth, &events), true)
            }
            Outgoing::Progress { revision, .. } => {
                world.checked("watch progress");
                (self.watched.progress(&truth, revision), true)
            }
            Outgoing::Compacted { compact_revision, .. } => {
                (self.watched.compacted(&truth, compact_revision), false)
            }
            Outgoing::Rejected { .. } | Outgoing::Canceled { .. } => (Ok(()), false),
        };
        drop(truth);
        world.mix(&[0x3000, self.watched.next.get().cast_unsigned()]);
        world.judge(verdict);
        goes_on
    }
}
