use std::collections::VecDeque;
use std::pin::Pin;

use bytes::Bytes;
use futures_util::stream::{self, Stream, StreamExt};
use kv_proto::etcdserverpb as etcd;
use kv_proto::etcdserverpb::watch_request::RequestUnion;
use kv_server::{Server, Streamed, WatchStream};
use kv_types::{KeyRange, Revision, WatchId};
use kv_watch::{Filters, Outgoing, RejectReason, WatchCreate};
use tonic::{Status, Streaming};

use super::fragments;
use super::frame::Frame;
use crate::error::{COMPACTED, STOPPED, status, watch_denial};
use crate::{convert, oversize};

pub(crate) type FrameStream = Pin<Box<dyn Stream<Item = Result<Frame, Status>> + Send>>;

/// Serves one stream. It ends with an error only: clients take a clean end as final for all its watchers.
pub(crate) async fn watch(
    server: Server,
    requests: Streaming<etcd::WatchRequest>,
) -> Result<FrameStream, Status> {
    let connection = Connection {
        watchers: server.watch_stream(),
        frame_bytes_max: server.limits().message_bytes_max(),
        server,
        requests: Some(requests),
        frames: VecDeque::new(),
    };
    let frames = stream::try_unfold(connection, |mut connection| async {
        let frame = connection.next().await?;
        Ok(Some((frame, connection)))
    });
    Ok(frames.boxed())
}

struct Connection {
    server: Server,
    watchers: WatchStream,
    /// `None` once the client has closed its side, which leaves the watchers as they are.
    requests: Option<Streaming<etcd::WatchRequest>>,
    /// The rest of a response that was split; nothing else is taken before it is sent.
    frames: VecDeque<Frame>,
    frame_bytes_max: usize,
}

impl Connection {
    async fn next(&mut self) -> Result<Frame, Status> {
        loop {
            if let Some(frame) = self.frames.pop_front() {
                return Ok(frame);
            }
            // While answers pile up because the client does not take them, its requests wait, too.
            let takes_requests = self.watchers.takes_requests();
            tokio::select! {
                streamed = self.watchers.next() => {
                    let streamed = streamed.map_err(|denial| status(denial.into()))?;
                    return Ok(match streamed.ok_or_else(|| Status::unavailable(STOPPED))? {
                        Streamed::Response(outgoing) => self.frame(outgoing),
                        Streamed::Denied { id, denial, revision } => Frame::without_events(etcd::WatchResponse {
                            header: Some(convert::header(self.server.header_at(revision))),
                            watch_id: id.map_or(NO_WATCHER, WatchId::get),
                            created: id.is_none(),
                            canceled: true,
                            cancel_reason: watch_denial(denial),
                            ..Default::default()
                        }),
                    });
                }
                request = message(&mut self.requests), if takes_requests => match request {
                    Ok(Some(request)) => self.handle(request).await,
                    Ok(None) => self.requests = None,
                    Err(status) => return Err(oversize::correct(status)),
                },
            }
        }
    }

    async fn handle(&mut self, request: etcd::WatchRequest) {
        match request.request_union {
            Some(RequestUnion::CreateRequest(create)) => self.watchers.create(watch_create(create)).await,
            Some(RequestUnion::CancelRequest(cancel)) => self.watchers.cancel(WatchId::new(cancel.watch_id)),
            Some(RequestUnion::ProgressRequest(_)) => self.watchers.request_progress(),
            None => {}
        }
    }

    /// The (first) frame of a response.
    fn frame(&mut self, outgoing: Outgoing) -> Frame {
        let header = |revision| Some(convert::header(self.server.header_at(revision)));
        let head = match outgoing {
            Outgoing::Events {
                id,
                revision,
                events,
                with_prev,
                fragment,
            } => {
                let head = etcd::WatchResponse {
                    header: header(revision),
                    watch_id: id.get(),
                    ..Default::default()
                };
                if !fragment {
                    return Frame {
                        head,
                        part: 0..events.len(),
                        events,
                        with_prev,
                    };
                }
                self.frames = fragments::split(&head, &events, with_prev, self.frame_bytes_max).into();
                return self
                    .frames
                    .pop_front()
                    .expect("a response has at least one frame");
            }
            Outgoing::Created { id, revision } => etcd::WatchResponse {
                header: header(revision),
                watch_id: id.get(),
                created: true,
                ..Default::default()
            },
            Outgoing::Rejected { reason, revision } => etcd::WatchResponse {
                header: header(revision),
                watch_id: NO_WATCHER,
                created: true,
                canceled: true,
                cancel_reason: reason_text(reason).into(),
                ..Default::default()
            },
            Outgoing::Progress { id, revision } => etcd::WatchResponse {
                header: header(revision),
                watch_id: id.map_or(NO_WATCHER, WatchId::get),
                ..Default::default()
            },
            Outgoing::Canceled { id, revision } => etcd::WatchResponse {
                header: header(revision),
                watch_id: id.get(),
                canceled: true,
                ..Default::default()
            },
            Outgoing::Compacted { id, compact_revision } => etcd::WatchResponse {
                header: header(Revision::ZERO),
                watch_id: id.get(),
                canceled: true,
                compact_revision: compact_revision.get(),
                ..Default::default()
            },
        };
        Frame::without_events(head)
    }
}

/// The ID of responses that speak of no watcher, or of all.
const NO_WATCHER: i64 = -1;

/// The next request; waits for ever if there will be none. Safe to drop.
async fn message(
    requests: &mut Option<Streaming<etcd::WatchRequest>>,
) -> Result<Option<etcd::WatchRequest>, Status> {
    match requests {
        Some(requests) => requests.message().await,
        None => std::future::pending().await,
    }
}

fn watch_create(create: etcd::WatchCreateRequest) -> WatchCreate {
    use etcd::watch_create_request::FilterType;

    let key = if create.key.is_empty() {
        Bytes::from_static(b"\0")
    } else {
        create.key
    };
    let filter = |kind: FilterType| create.filters.contains(&i32::from(kind));
    WatchCreate {
        filters: Filters {
            no_put: filter(FilterType::Noput),
            no_delete: filter(FilterType::Nodelete),
        },
        range: KeyRange::from_wire(key, create.range_end),
        start: (create.start_revision != 0).then_some(Revision::new(create.start_revision)),
        id: (create.watch_id != 0).then_some(WatchId::new(create.watch_id)),
        prev_kv: create.prev_kv,
        progress_notify: create.progress_notify,
        fragment: create.fragment,
    }
}

fn reason_text(reason: RejectReason) -> &'static str {
    match reason {
        RejectReason::Compacted => COMPACTED,
        RejectReason::RangeEmpty => "mvcc: watcher range is empty",
        RejectReason::DuplicateId => "mvcc: duplicate watch ID provided on the WatchStream",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zero_and_empty_mean_absent() {
        let everything = watch_create(etcd::WatchCreateRequest {
            range_end: Bytes::from_static(b"\0"),
            filters: vec![1, 9],
            ..Default::default()
        });
        assert_eq!(
            everything,
            WatchCreate {
                range: KeyRange::from_wire(Bytes::from_static(b"\0"), Bytes::from_static(b"\0")),
                start: None,
                id: None,
                filters: Filters {
                    no_put: false,
                    no_delete: true
                },
                prev_kv: false,
                progress_notify: false,
                fragment: false,
            }
        );
        let negative = watch_create(etcd::WatchCreateRequest {
            start_revision: -1,
            watch_id: -2,
            ..Default::default()
        });
        assert_eq!(
            (negative.start, negative.id),
            (Some(Revision::new(-1)), Some(WatchId::new(-2)))
        );
    }
}
