//! Waiting for one's turn.

use bytes::Bytes;
use kv_proto::etcdserverpb as etcd;
use kv_proto::etcdserverpb::range_request::{SortOrder, SortTarget};
use kv_server::{Server, Streamed, WatchStream};
use kv_types::{KeyRange, Revision};
use kv_watch::{Event, Filters, Outgoing, WatchCreate};
use std::sync::Arc;
use tonic::Status;

use super::{prefix_end, range, revision};
use crate::error::{COMPACTED, STOPPED};

/// Waits until there is no key with this prefix that was created at `revision_max` or before. Only the youngest of them
/// is watched, so that the end of one wakes one.
pub(super) async fn wait_for_older(server: &Server, prefix: &Bytes, revision_max: i64) -> Result<(), Status> {
    // To etcd's bounds, zero would be none.
    if revision_max <= 0 {
        return Ok(());
    }
    loop {
        let youngest = etcd::RangeRequest {
            key: prefix.clone(),
            range_end: prefix_end(prefix),
            limit: 1,
            sort_order: SortOrder::Descend.into(),
            sort_target: SortTarget::Create.into(),
            max_create_revision: revision_max,
            ..Default::default()
        };
        let older = range(server, youngest).await?;
        let Some(kv) = older.kvs.into_iter().next() else {
            return Ok(());
        };
        let from = revision(older.header.as_ref());
        let mut watcher = Watcher::create(server, KeyRange::single(kv.key), from).await;
        while !watcher.next().await?.iter().any(|event| event.row().tombstone) {}
    }
}

/// A watcher of one interval.
pub(super) struct Watcher(WatchStream);

impl Watcher {
    /// Watches from a revision on.
    pub(super) async fn create(server: &Server, range: KeyRange, from: i64) -> Self {
        let mut stream = server.watch_stream();
        stream
            .create(WatchCreate {
                range,
                start: Some(Revision::new(from)),
                id: None,
                filters: Filters::default(),
                prev_kv: false,
                progress_notify: false,
                fragment: false,
            })
            .await;
        Self(stream)
    }

    /// The next events.
    pub(super) async fn next(&mut self) -> Result<Arc<[Arc<Event>]>, Status> {
        loop {
            let streamed = self.0.next().await;
            let streamed = streamed.map_err(|denial| Status::unknown(denial.to_string()))?;
            match streamed.ok_or_else(|| Status::unavailable(STOPPED))? {
                Streamed::Response(Outgoing::Events { events, .. }) => return Ok(events),
                Streamed::Response(Outgoing::Compacted { .. } | Outgoing::Rejected { .. }) => {
                    return Err(Status::unknown(COMPACTED));
                }
                Streamed::Response(
                    Outgoing::Created { .. } | Outgoing::Progress { .. } | Outgoing::Canceled { .. },
                ) => {}
                Streamed::Denied { denial, .. } => return Err(Status::unknown(denial.to_string())),
            }
        }
    }
}
