use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use futures_util::stream::{BoxStream, StreamExt};
use kv_types::MemberId;
use parking_lot::Mutex;
use tokio::sync::{Notify, mpsc, watch};

use crate::{Answers, Call, Flow, Peer, RaftService, Transport, TransportError};

/// A network of members in this process.
#[derive(Clone, Default)]
pub(crate) struct Net(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    services: BTreeMap<u64, RaftService>,
    /// Ordered pairs between which nothing passes.
    cut: BTreeSet<(u64, u64)>,
    delay: Duration,
    /// Every how many single messages one is lost.
    lose_every: Option<u64>,
    calls: u64,
    /// Ends streams that are open when it changes.
    change: watch::Sender<u64>,
    /// Frames and answers a snapshot stream may still carry.
    snapshot_messages: Option<usize>,
    /// Snapshot messages carried.
    snapshot_carried: usize,
}

impl Net {
    pub(crate) fn transport(&self, from: u64) -> Arc<dyn Transport> {
        Arc::new(Way {
            net: self.clone(),
            from,
        })
    }

    pub(crate) fn join(&self, id: u64, service: RaftService) {
        self.0.lock().services.insert(id, service);
    }

    /// The process of a member is gone: connections to it are refused, open ones break.
    pub(crate) fn leave(&self, id: u64) {
        let mut state = self.0.lock();
        state.services.remove(&id);
        state.change.send_modify(|change| *change += 1);
    }

    /// Nothing passes between `id` and the others, and nobody is told.
    pub(crate) fn isolate(&self, id: u64, others: impl IntoIterator<Item = u64>) {
        let mut state = self.0.lock();
        for other in others {
            state.cut.extend([(id, other), (other, id)]);
        }
        state.change.send_modify(|change| *change += 1);
    }

    pub(crate) fn heal(&self) {
        self.0.lock().cut.clear();
    }

    pub(crate) fn set_delay(&self, delay: Duration) {
        self.0.lock().delay = delay;
    }

    pub(crate) fn lose_every(&self, calls: u64) {
        self.0.lock().lose_every = Some(calls);
    }

    /// Lets snapshot streams carry so many messages in all, then breaks them.
    pub(crate) fn limit_snapshot_messages(&self, limit: Option<usize>) {
        self.0.lock().snapshot_messages = limit;
    }

    pub(crate) fn snapshot_carried(&self) -> usize {
        self.0.lock().snapshot_carried
    }

    fn service(&self, from: u64, to: u64) -> Result<Route, TransportError> {
        let state = self.0.lock();
        if state.cut.contains(&(from, to)) {
            return Ok(Route::Nowhere);
        }
        let service = state.services.get(&to).cloned();
        service
            .map(Route::To)
            .ok_or_else(|| TransportError::NotSent("connection refused".into()))
    }

    fn is_cut(&self, from: u64, to: u64) -> bool {
        self.0.lock().cut.contains(&(from, to))
    }

    fn loses_this(&self) -> bool {
        let mut state = self.0.lock();
        state.calls += 1;
        state
            .lose_every
            .is_some_and(|every| state.calls.is_multiple_of(every))
    }

    fn delay(&self) -> Duration {
        self.0.lock().delay
    }

    fn carry_snapshot_message(&self) -> bool {
        let mut state = self.0.lock();
        let carried = state.snapshot_messages != Some(0);
        state.snapshot_messages = state.snapshot_messages.map(|left| left.saturating_sub(1));
        state.snapshot_carried += usize::from(carried);
        carried
    }
}

enum Route {
    To(RaftService),
    Nowhere,
}

struct Way {
    net: Net,
    from: u64,
}

fn lost(reason: &str) -> TransportError {
    TransportError::Lost(reason.into())
}

impl Transport for Way {
    fn call(
        &self,
        to: &Peer,
        call: Call,
        message: Bytes,
        timeout: Duration,
    ) -> BoxFuture<'static, Result<Bytes, TransportError>> {
        let (net, from, to) = (self.net.clone(), self.from, to.id.get());
        let work = async move {
            let service = match net.service(from, to)? {
                Route::To(service) => service,
                Route::Nowhere => return std::future::pending().await,
            };
            tokio::time::sleep(net.delay()).await;
            if net.loses_this() {
                return Err(lost("dropped"));
            }
            let answer = service.call(MemberId::new(from), call, message).await;
            tokio::time::sleep(net.delay()).await;
            if net.is_cut(to, from) {
                return std::future::pending().await;
            }
            answer.map_err(TransportError::from)
        };
        Box::pin(async move {
            tokio::time::timeout(timeout, work)
                .await
                .unwrap_or_else(|_| Err(lost("timed out")))
        })
    }

    fn stream(&self, to: &Peer, flow: Flow, mut messages: BoxStream<'static, Bytes>) -> Answers {
        let (net, from, to) = (self.net.clone(), self.from, to.id.get());
        let service = match net.service(from, to) {
            Ok(Route::To(service)) => service,
            Ok(Route::Nowhere) => return failing(lost("no route")),
            Err(error) => return failing(error),
        };
        let (sender, queue) = mpsc::channel::<Bytes>(16);
        let (answers, answered) = mpsc::channel(16);
        let incoming =
            futures_util::stream::unfold(
                queue,
                |mut queue| async move { Some((queue.recv().await?, queue)) },
            );
        let mut results = service.stream(flow, incoming.boxed());
        let broken = Arc::new(Notify::new());
        let breaking = Arc::clone(&broken);
        let mut change = net.0.lock().change.subscribe();
        let there = tokio::spawn(async move {
            while let Some(message) = messages.next().await {
                if flow == Flow::Snapshot && !net.carry_snapshot_message() {
                    breaking.notify_one();
                    return;
                }
                tokio::time::sleep(net.delay()).await;
                if sender.send(message).await.is_err() {
                    return;
                }
            }
        });
        tokio::spawn(async move {
            loop {
                let result = tokio::select! {
                    _ = change.changed() => Some(Err(lost("connection lost"))),
                    () = broken.notified() => Some(Err(lost("connection lost"))),
                    result = results.next() => {
                        result.map(|result| result.map_err(TransportError::from))
                    }
                };
                let Some(result) = result else {
                    break;
                };
                let ends = result.is_err();
                if answers.send(result).await.is_err() || ends {
                    break;
                }
            }
            there.abort();
        });
        futures_util::stream::unfold(answered, |mut answered| async move {
            Some((answered.recv().await?, answered))
        })
        .boxed()
    }
}

fn failing(error: TransportError) -> Answers {
    futures_util::stream::once(std::future::ready(Err(error))).boxed()
}
