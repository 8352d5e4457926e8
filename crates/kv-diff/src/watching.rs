use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use kv_proto::etcdserverpb as etcd;
use kv_proto::etcdserverpb::watch_request::RequestUnion;
use kv_proto::mvccpb::Event;
use prost::Message;
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout, timeout_at};
use tokio_stream::StreamExt;
use tokio_stream::wrappers::UnboundedReceiverStream;

use crate::answer::{Answer, Failure, decode};
use crate::calls::Calls;
use crate::names::Names;

/// How long an answer may take that must come.
const PATIENCE: Duration = Duration::from_secs(30);
/// How long to wait for an answer that comes only if the server is ready to give it.
const RETRY: Duration = Duration::from_millis(25);

/// One watch stream and what has come of it.
#[derive(Debug)]
pub(crate) struct Watching {
    requests: mpsc::UnboundedSender<Bytes>,
    responses: mpsc::UnboundedReceiver<Result<etcd::WatchResponse, Answer>>,
    /// Watchers, with the revisions they start at.
    live: BTreeMap<i64, i64>,
    seen: BTreeMap<i64, Vec<Event>>,
    /// The last compaction before the last watcher.
    compacted: i64,
}

impl Watching {
    pub(crate) fn open(calls: &Calls) -> Self {
        let (requests, queue) = mpsc::unbounded_channel();
        let (sender, responses) = mpsc::unbounded_channel();
        let calls = calls.clone();
        tokio::spawn(async move {
            let queue = UnboundedReceiverStream::new(queue);
            let stream = calls.stream("/etcdserverpb.Watch/Watch", queue).await;
            let mut stream = match stream {
                Ok(stream) => stream,
                Err(status) => return drop(sender.send(Err(Answer::Failure(status.into())))),
            };
            while let Some(bytes) = stream.next().await {
                let response = match bytes {
                    Ok(bytes) => decode(&bytes),
                    Err(status) => Err(Answer::Failure(Failure::from(status))),
                };
                if sender.send(response).is_err() {
                    return;
                }
            }
        });
        Self {
            requests,
            responses,
            live: BTreeMap::new(),
            seen: BTreeMap::new(),
            compacted: 0,
        }
    }

    pub(crate) fn is_live(&self) -> bool {
        !self.live.is_empty()
    }

    /// The last revision that a watcher waits for.
    pub(crate) fn last_start(&self) -> i64 {
        self.live.values().copied().max().unwrap_or(0)
    }

    fn send(&self, request: Option<RequestUnion>) {
        let request = etcd::WatchRequest {
            request_union: request,
        };
        // If the stream is gone, its end is among the responses.
        let _ = self.requests.send(request.encode_to_vec().into());
    }

    pub(crate) fn send_empty(&self) {
        self.send(None);
    }

    /// Creates a watcher. One that begins before `compacted` must be cancelled then.
    pub(crate) async fn create(
        &mut self,
        request: etcd::WatchCreateRequest,
        compacted: i64,
        names: &Names,
    ) -> Result<Answer, Answer> {
        let start = request.start_revision;
        self.compacted = compacted;
        self.send(Some(RequestUnion::CreateRequest(request)));
        let created = self.until(names, |response| response.created).await?;
        if created.canceled {
            return Ok(Answer::Watch(Box::new(created), None));
        }
        let id = created.watch_id;
        if start > 0 && start < compacted {
            let end = self
                .until(names, |response| response.canceled && response.watch_id == id)
                .await?;
            let ended = Answer::Watch(Box::new(created), Some(Box::new(end)));
            // etcd tells no progress on this stream until the watcher that is gone was cancelled, too.
            self.live.insert(id, start);
            return Ok(Answer::Parts(vec![ended, self.cancel(id, names).await?]));
        }
        self.live.insert(id, start);
        Ok(Answer::Watch(Box::new(created), None))
    }

    /// Cancels a watcher; there is no answer for one that is not there.
    pub(crate) async fn cancel(&mut self, watch_id: i64, names: &Names) -> Result<Answer, Answer> {
        let cancel = etcd::WatchCancelRequest { watch_id };
        self.send(Some(RequestUnion::CancelRequest(cancel)));
        if self.live.remove(&watch_id).is_none() {
            return Ok(Answer::Nothing);
        }
        let end = self
            .until(names, |response| {
                response.canceled && response.watch_id == watch_id
            })
            .await?;
        Ok(Answer::CancelWatch(Box::new(end)))
    }

    /// Waits until all watchers have seen everything up to `current`, which no progress was asked for before.
    pub(crate) async fn sync(&mut self, current: i64, names: &Names) -> Result<Answer, Answer> {
        let end = Instant::now() + PATIENCE;
        while self.is_live() {
            if Instant::now() > end {
                return Err(Answer::Silence);
            }
            self.send(Some(RequestUnion::ProgressRequest(etcd::WatchProgressRequest {})));
            let progress = |response: &etcd::WatchResponse| is_progress(response, current);
            if let Ok(found) = timeout(RETRY, self.find(names, progress)).await {
                found?;
                break;
            }
        }
        Ok(Answer::Watched(current, std::mem::take(&mut self.seen)))
    }

    async fn until(
        &mut self,
        names: &Names,
        wanted: impl Fn(&etcd::WatchResponse) -> bool,
    ) -> Result<etcd::WatchResponse, Answer> {
        let found = timeout_at(Instant::now() + PATIENCE, self.find(names, wanted)).await;
        found.unwrap_or(Err(Answer::Silence))
    }

    /// The next response of a kind; what comes before it is kept.
    async fn find(
        &mut self,
        names: &Names,
        wanted: impl Fn(&etcd::WatchResponse) -> bool,
    ) -> Result<etcd::WatchResponse, Answer> {
        loop {
            let response = self.responses.recv().await.unwrap_or(Err(Answer::Silence));
            let mut response = response?;
            let found = wanted(&response);
            names.watch(&mut response);
            if found {
                return Ok(response);
            }
            self.keep(response)?;
        }
    }

    fn keep(&mut self, mut response: etcd::WatchResponse) -> Result<(), Answer> {
        for event in &mut response.events {
            // etcd does not tell what was before an event at the compacted revision; kvd does, while it has it.
            if revision_of(event) <= self.compacted {
                event.prev_kv = None;
            }
        }
        if response.events.is_empty() {
            // Progress that was asked for before and is not waited for any more.
            let stale = response.watch_id == -1 && !response.created && !response.canceled;
            return match stale {
                true => Ok(()),
                false => Err(Answer::Unfit(format!("a response to nothing: {response:?}"))),
            };
        }
        let seen = self.seen.entry(response.watch_id).or_default();
        if let Some(fault) = fault(seen, &response) {
            return Err(Answer::Unfit(format!("{fault}: {response:?}")));
        }
        seen.extend(response.events);
        Ok(())
    }
}

fn is_progress(response: &etcd::WatchResponse, current: i64) -> bool {
    let revision = response.header.as_ref().map(|header| header.revision);
    response.watch_id == -1
        && response.events.is_empty()
        && !response.created
        && !response.canceled
        && revision == Some(current)
}

fn revision_of(event: &Event) -> i64 {
    event.kv.as_ref().map_or(0, |kv| kv.mod_revision)
}

/// What is wrong with events after those that were seen before.
fn fault(seen: &[Event], response: &etcd::WatchResponse) -> Option<&'static str> {
    let before = seen.last().map_or(0, revision_of);
    let first = response.events.first().map_or(0, revision_of);
    let last = response.events.last().map_or(0, revision_of);
    let header = response.header.as_ref();
    if first <= before {
        Some("a revision in two responses, or out of order")
    } else if header.is_none_or(|header| header.revision < last) {
        Some("the header is older than an event")
    } else {
        None
    }
}
