use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use futures_util::stream::{BoxStream, StreamExt};
use kv_raft::{Answers, Call, Flow, Peer, RaftService, Transport, TransportError};
use kv_types::MemberId;
use kv_wal::faulty::Random;
use parking_lot::Mutex;
use tokio::sync::{mpsc, watch};

use crate::chance;
use crate::world::World;

/// A stream that gets nothing through for so long is broken.
const STREAM_PATIENCE: Duration = Duration::from_millis(1500);

/// How often a stream looks whether its way is open again.
const STREAM_LOOK: Duration = Duration::from_millis(100);

/// Messages of a stream that are under way.
const STREAM_WINDOW: usize = 16;

/// The network of the members: delays, losses and partitions.
#[derive(Clone)]
pub(crate) struct Net {
    world: World,
    state: Arc<Mutex<State>>,
}

struct State {
    random: Random,
    sites: BTreeMap<u64, Site>,
    /// Ways on which nothing gets through, each from one member to another.
    blocked: BTreeSet<(u64, u64)>,
    weather: Weather,
}

/// A member that can be reached.
struct Site {
    life: u64,
    service: RaftService,
    down: watch::Receiver<bool>,
}

/// How messages fare on ways that are open.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Weather {
    pub(crate) delay_millis_max: u64,
    /// Connections that break, in a thousand messages.
    pub(crate) breaks: u64,
    /// Messages of Raft that come twice, in a thousand.
    pub(crate) doubles: u64,
}

impl Weather {
    pub(crate) const FAIR: Self = Self {
        delay_millis_max: 3,
        breaks: 0,
        doubles: 0,
    };
}

impl Net {
    pub(crate) fn new(world: &World) -> Self {
        let state = State {
            random: world.fork_random(),
            sites: BTreeMap::new(),
            blocked: BTreeSet::new(),
            weather: Weather::FAIR,
        };
        Self {
            world: world.clone(),
            state: Arc::new(Mutex::new(state)),
        }
    }

    pub(crate) fn join(&self, id: u64, life: u64, service: RaftService, down: watch::Receiver<bool>) {
        let site = Site { life, service, down };
        self.state.lock().sites.insert(id, site);
    }

    pub(crate) fn leave(&self, id: u64) {
        self.state.lock().sites.remove(&id);
    }

    /// Forgets all members, so that nothing keeps a finished simulation in memory.
    pub(crate) fn clear(&self) {
        let sites = std::mem::take(&mut self.state.lock().sites);
        drop(sites);
    }

    pub(crate) fn block(&self, from: u64, to: u64) {
        self.state.lock().blocked.insert((from, to));
    }

    pub(crate) fn unblock(&self, from: u64, to: u64) {
        self.state.lock().blocked.remove(&(from, to));
    }

    pub(crate) fn set_weather(&self, weather: Weather) {
        self.state.lock().weather = weather;
    }

    /// Ends all faults.
    pub(crate) fn heal(&self) {
        let mut state = self.state.lock();
        state.blocked.clear();
        state.weather = Weather::FAIR;
    }

    pub(crate) fn transport(&self, from: u64, life: u64) -> Arc<dyn Transport> {
        Arc::new(Wire {
            net: self.clone(),
            from,
            life,
        })
    }

    fn is_blocked(&self, from: u64, to: u64) -> bool {
        self.state.lock().blocked.contains(&(from, to))
    }

    /// How long a message takes, and whether its connection breaks.
    fn draw(&self) -> (Duration, bool) {
        let mut state = self.state.lock();
        let weather = state.weather;
        let delay = chance::millis(&mut state.random, 0..weather.delay_millis_max);
        (delay, state.random.below(1000) < weather.breaks)
    }

    fn doubles(&self) -> bool {
        let mut state = self.state.lock();
        let doubles = state.weather.doubles;
        state.random.below(1000) < doubles
    }

    /// One message from a member to another. On a blocked way it never arrives.
    async fn hop(&self, from: u64, to: u64, kind: u64, bytes: usize) -> Result<(), TransportError> {
        let (delay, breaks) = self.draw();
        self.world.mix(&[kind, from, to, bytes as u64]);
        if self.is_blocked(from, to) {
            std::future::pending::<()>().await;
        }
        if !delay.is_zero() {
            tokio::time::sleep(delay).await;
        }
        if breaks {
            return Err(lost("connection reset"));
        }
        Ok(())
    }

    fn reach(&self, to: u64) -> Result<(RaftService, watch::Receiver<bool>), TransportError> {
        let state = self.state.lock();
        let site = state.sites.get(&to).ok_or_else(refused)?;
        Ok((site.service.clone(), site.down.clone()))
    }

    /// Whether this is still the member that runs, not one that has crashed.
    fn is_alive(&self, id: u64, life: u64) -> bool {
        self.state
            .lock()
            .sites
            .get(&id)
            .is_some_and(|site| site.life == life)
    }
}

fn refused() -> TransportError {
    TransportError::NotSent("connection refused".into())
}

fn lost(reason: impl ToString) -> TransportError {
    TransportError::Lost(reason.to_string())
}

/// A member's end of the network.
struct Wire {
    net: Net,
    from: u64,
    life: u64,
}

impl Transport for Wire {
    fn call(
        &self,
        to: &Peer,
        call: Call,
        message: Bytes,
        timeout: Duration,
    ) -> BoxFuture<'static, Result<Bytes, TransportError>> {
        let exchange = Exchange {
            net: self.net.clone(),
            from: self.from,
            life: self.life,
            to: to.id.get(),
        };
        Box::pin(async move {
            tokio::time::timeout(timeout, exchange.call(call, message))
                .await
                .unwrap_or_else(|_| Err(lost("timed out")))
        })
    }

    fn stream(&self, to: &Peer, flow: Flow, messages: BoxStream<'static, Bytes>) -> Answers {
        let exchange = Exchange {
            net: self.net.clone(),
            from: self.from,
            life: self.life,
            to: to.id.get(),
        };
        exchange.stream(flow, messages)
    }
}

/// Messages between two members.
#[derive(Clone)]
struct Exchange {
    net: Net,
    from: u64,
    life: u64,
    to: u64,
}

impl Exchange {
    async fn call(self, call: Call, message: Bytes) -> Result<Bytes, TransportError> {
        if !self.net.is_alive(self.from, self.life) {
            return Err(refused());
        }
        self.net.reach(self.to)?;
        let kind = call as u64;
        self.net.hop(self.from, self.to, kind, message.len()).await?;
        let (service, mut down) = self.net.reach(self.to)?;
        let from = MemberId::new(self.from);
        let repeats = !matches!(call, Call::Propose | Call::Ask | Call::ReadIndex);
        if repeats && self.net.doubles() {
            let (net, service, message) = (self.net.clone(), service.clone(), message.clone());
            tokio::spawn(async move {
                tokio::time::sleep(net.draw().0 * 3).await;
                // Nobody waits for this answer.
                let _ = service.call(from, call, message).await;
            });
        }
        // What has arrived is worked on, whether the sender waits or not.
        let work = tokio::spawn(async move {
            tokio::select! {
                biased;
                _ = down.wait_for(|down| *down) => Err(lost("connection reset")),
                answer = service.call(from, call, message) => answer.map_err(TransportError::from),
            }
        });
        let answer = work.await.map_err(lost)??;
        self.net
            .hop(self.to, self.from, kind | 0x100, answer.len())
            .await?;
        Ok(answer)
    }

    fn stream(self, flow: Flow, messages: BoxStream<'static, Bytes>) -> Answers {
        let target = if self.net.is_alive(self.from, self.life) {
            self.net.reach(self.to)
        } else {
            Err(refused())
        };
        let (service, down) = match target {
            Ok(target) => target,
            Err(error) => return futures_util::stream::iter([Err(error)]).boxed(),
        };
        let (sender, arriving) = mpsc::channel::<Bytes>(STREAM_WINDOW);
        let (answers, answered) = mpsc::channel(STREAM_WINDOW);
        let results = service.stream(flow, received(arriving));
        tokio::spawn(async move {
            let there = self.clone().forward(messages, sender, flow);
            let back = self.clone().backward(results, answers.clone(), flow);
            tokio::select! {
                biased;
                () = self.broken(down) => {
                    let _ = answers.send(Err(lost("connection lost"))).await;
                }
                error = there => {
                    let _ = answers.send(Err(error)).await;
                }
                error = back => if let Some(error) = error {
                    let _ = answers.send(Err(error)).await;
                },
            }
        });
        received(answered)
    }

    async fn forward(
        self,
        mut messages: BoxStream<'static, Bytes>,
        sender: mpsc::Sender<Bytes>,
        flow: Flow,
    ) -> TransportError {
        while let Some(message) = messages.next().await {
            let arrived = self
                .hop_in_order(self.from, self.to, 0x200 | flow as u64, message.len())
                .await;
            if let Err(error) = arrived {
                return error;
            }
            if sender.send(message).await.is_err() {
                break;
            }
        }
        drop(sender);
        // The way back is still open.
        std::future::pending().await
    }

    async fn backward(
        self,
        mut results: kv_raft::ServiceAnswers,
        answers: mpsc::Sender<Result<Bytes, TransportError>>,
        flow: Flow,
    ) -> Option<TransportError> {
        while let Some(result) = results.next().await {
            let bytes = result.as_ref().map_or(0, Bytes::len);
            let arrived = self
                .hop_in_order(self.to, self.from, 0x300 | flow as u64, bytes)
                .await;
            if let Err(error) = arrived {
                return Some(error);
            }
            if answers.send(result.map_err(TransportError::from)).await.is_err() {
                break;
            }
        }
        None
    }

    /// One message of a stream: it waits while its way is blocked, until the stream is broken.
    async fn hop_in_order(&self, from: u64, to: u64, kind: u64, bytes: usize) -> Result<(), TransportError> {
        while self.net.is_blocked(from, to) {
            tokio::time::sleep(STREAM_LOOK).await;
        }
        self.net.hop(from, to, kind, bytes).await
    }

    /// Returns when one end is gone, or nothing gets through for long.
    async fn broken(&self, mut down: watch::Receiver<bool>) {
        let cut = async {
            let mut since = Duration::ZERO;
            while since < STREAM_PATIENCE {
                tokio::time::sleep(STREAM_PATIENCE / 3).await;
                if !self.net.is_alive(self.from, self.life) {
                    return;
                }
                let blocked =
                    self.net.is_blocked(self.from, self.to) || self.net.is_blocked(self.to, self.from);
                since = if blocked {
                    since + STREAM_PATIENCE / 3
                } else {
                    Duration::ZERO
                };
            }
        };
        tokio::select! {
            biased;
            _ = down.wait_for(|down| *down) => {}
            () = cut => {}
        }
    }
}

fn received<T: Send + 'static>(queue: mpsc::Receiver<T>) -> BoxStream<'static, T> {
    futures_util::stream::unfold(
        queue,
        |mut queue| async move { Some((queue.recv().await?, queue)) },
    )
    .boxed()
}
