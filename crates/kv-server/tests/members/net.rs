use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use futures_util::stream::{BoxStream, StreamExt};
use kv_raft::{Answers, Call, Flow, Peer, RaftService, Transport, TransportError};
use kv_types::MemberId;
use parking_lot::Mutex;
use tokio::sync::{mpsc, watch};

/// A network of members in this process.
#[derive(Clone, Default)]
pub(crate) struct Net(Arc<Mutex<BTreeMap<u64, Site>>>);

/// A member that can be reached, until its plug is pulled.
struct Site {
    service: RaftService,
    plugged: watch::Sender<bool>,
}

impl Net {
    pub(crate) fn join(&self, id: u64, service: RaftService) {
        let site = Site {
            service,
            plugged: watch::Sender::new(true),
        };
        self.0.lock().insert(id, site);
    }

    /// Nothing leaves or reaches a member any more, and connections to it break.
    pub(crate) fn leave(&self, id: u64) {
        if let Some(site) = self.0.lock().remove(&id) {
            site.plugged.send_replace(false);
        }
    }

    pub(crate) fn transport(&self, from: u64) -> Arc<dyn Transport> {
        Arc::new(Way {
            net: self.clone(),
            from,
        })
    }

    fn route(&self, from: u64, to: &Peer) -> Result<Route, TransportError> {
        let sites = self.0.lock();
        match (sites.get(&from), sites.get(&to.id.get())) {
            (Some(here), Some(there)) => Ok(Route {
                service: there.service.clone(),
                ends: [here.plugged.subscribe(), there.plugged.subscribe()],
            }),
            _ => Err(TransportError::NotSent("connection refused".into())),
        }
    }
}

/// A connection.
struct Route {
    service: RaftService,
    ends: [watch::Receiver<bool>; 2],
}

/// Returns when one end is gone.
async fn broken([mut here, mut there]: [watch::Receiver<bool>; 2]) {
    tokio::select! {
        _ = here.wait_for(|plugged| !plugged) => {}
        _ = there.wait_for(|plugged| !plugged) => {}
    }
}

fn lost(reason: impl ToString) -> TransportError {
    TransportError::Lost(reason.to_string())
}

struct Way {
    net: Net,
    from: u64,
}

impl Transport for Way {
    fn call(
        &self,
        to: &Peer,
        call: Call,
        message: Bytes,
        timeout: Duration,
    ) -> BoxFuture<'static, Result<Bytes, TransportError>> {
        let (route, from) = (self.net.route(self.from, to), MemberId::new(self.from));
        Box::pin(async move {
            let Route { service, ends } = route?;
            tokio::select! {
                answer = service.call(from, call, message) => answer.map_err(TransportError::from),
                () = broken(ends) => Err(lost("connection lost")),
                () = tokio::time::sleep(timeout) => Err(lost("timed out")),
            }
        })
    }

    fn stream(&self, to: &Peer, flow: Flow, mut messages: BoxStream<'static, Bytes>) -> Answers {
        let Route { service, ends } = match self.net.route(self.from, to) {
            Ok(route) => route,
            Err(error) => return futures_util::stream::iter([Err(error)]).boxed(),
        };
        let (sender, arriving) = mpsc::channel::<Bytes>(16);
        let (answers, answered) = mpsc::channel(16);
        let mut results = service.stream(flow, received(arriving));
        tokio::spawn(async move {
            let there = async {
                while let Some(message) = messages.next().await {
                    if sender.send(message).await.is_err() {
                        break;
                    }
                }
                drop(sender);
                std::future::pending::<()>().await;
            };
            let back = async {
                while let Some(result) = results.next().await {
                    if answers.send(result.map_err(TransportError::from)).await.is_err() {
                        break;
                    }
                }
            };
            tokio::select! {
                () = there => {}
                () = back => {}
                () = broken(ends) => {
                    let _ = answers.send(Err(lost("connection lost"))).await;
                }
            }
        });
        received(answered)
    }
}

fn received<T: Send + 'static>(queue: mpsc::Receiver<T>) -> BoxStream<'static, T> {
    futures_util::stream::unfold(
        queue,
        |mut queue| async move { Some((queue.recv().await?, queue)) },
    )
    .boxed()
}
