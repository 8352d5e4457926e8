use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::{BoxFuture, Shared};
use http::Uri;
use hyper_util::rt::TokioIo;
use parking_lot::Mutex;
use tokio::time::Instant;
use tonic::transport::{Channel, Endpoint};
use tower::service_fn;

use crate::options::{CONNECTION_WINDOW_BYTES, PeerOptions, STREAM_WINDOW_BYTES};
use crate::{Connect, Connection};

/// For how long a failed attempt to connect answers for those that follow; doubled with each failure up to the
/// largest.
const BACKOFF_FIRST: Duration = Duration::from_millis(25);
const BACKOFF_MAX: Duration = Duration::from_millis(200);

/// One connection to a member, made when it is first needed and again when it is lost.
pub(crate) struct Lane {
    urls: Vec<String>,
    options: PeerOptions,
    state: Mutex<State>,
}

struct State {
    phase: Phase,
    /// Counts connections, so that the loss of one is not taken for that of the next.
    generation: u64,
    failures: u32,
}

enum Phase {
    Idle,
    Connecting(Attempt),
    Open(Channel),
    Backoff(Instant, Arc<str>),
}

type Attempt = Shared<BoxFuture<'static, Result<Channel, Arc<str>>>>;

/// A connection in use.
pub(crate) struct Lease {
    pub(crate) channel: Channel,
    generation: u64,
}

impl Lane {
    pub(crate) fn new(urls: Vec<String>, options: PeerOptions) -> Self {
        let state = State {
            phase: Phase::Idle,
            generation: 0,
            failures: 0,
        };
        Self {
            urls,
            options,
            state: Mutex::new(state),
        }
    }

    pub(crate) fn urls(&self) -> &[String] {
        &self.urls
    }

    /// The connection; made if there is none. The attempt goes on if the caller does not wait for it.
    pub(crate) async fn lease(&self) -> Result<Lease, Arc<str>> {
        let (attempt, generation) = {
            let mut state = self.state.lock();
            match &state.phase {
                Phase::Open(channel) => {
                    return Ok(Lease {
                        channel: channel.clone(),
                        generation: state.generation,
                    });
                }
                Phase::Backoff(until, reason) if Instant::now() < *until => return Err(Arc::clone(reason)),
                Phase::Connecting(attempt) => (attempt.clone(), state.generation),
                Phase::Idle | Phase::Backoff(..) => {
                    let attempt = attempt(self.urls.clone(), self.options.clone());
                    state.generation += 1;
                    state.phase = Phase::Connecting(attempt.clone());
                    (attempt, state.generation)
                }
            }
        };
        let result = attempt.await;
        self.settle(generation, &result);
        result.map(|channel| Lease { channel, generation })
    }

    /// Notes how an attempt ended; whoever waited for it comes here, the first one changes something.
    fn settle(&self, generation: u64, result: &Result<Channel, Arc<str>>) {
        let mut state = self.state.lock();
        if state.generation != generation || !matches!(state.phase, Phase::Connecting(_)) {
            return;
        }
        match result {
            Ok(channel) => {
                if std::mem::take(&mut state.failures) > 0 {
                    tracing::info!(urls = ?self.urls, "connected to peer again");
                }
                state.phase = Phase::Open(channel.clone());
            }
            Err(reason) => {
                let wait = BACKOFF_FIRST
                    .saturating_mul(1 << state.failures.min(8))
                    .min(BACKOFF_MAX);
                if state.failures == 0 {
                    tracing::warn!(urls = ?self.urls, reason = %reason, "cannot connect to peer");
                }
                state.failures = state.failures.saturating_add(1);
                state.phase = Phase::Backoff(Instant::now() + wait, Arc::clone(reason));
            }
        }
    }

    /// Lets go of a connection that was lost.
    pub(crate) fn lost(&self, lease_generation: u64) {
        let mut state = self.state.lock();
        if state.generation == lease_generation && matches!(state.phase, Phase::Open(_)) {
            state.phase = Phase::Idle;
        }
    }
}

impl Lease {
    pub(crate) fn generation(&self) -> u64 {
        self.generation
    }
}

fn attempt(urls: Vec<String>, options: PeerOptions) -> Attempt {
    let connecting = tokio::spawn(async move { connect(&urls, &options).await });
    let attempt = connecting.map(|ended| ended.unwrap_or_else(|error| Err(error.to_string().into())));
    attempt.boxed().shared()
}

async fn connect(urls: &[String], options: &PeerOptions) -> Result<Channel, Arc<str>> {
    let mut uris = Vec::with_capacity(urls.len());
    for url in urls {
        uris.push(
            url.parse::<Uri>()
                .map_err(|error| format!("peer URL {url}: {error}"))?,
        );
    }
    let first = uris.first().cloned().ok_or("the peer has no URL")?;
    let connect = Arc::clone(&options.connect);
    let timeout = options.connect_timeout;
    let connector = service_fn(move |_: Uri| {
        let (uris, connect) = (uris.clone(), Arc::clone(&connect));
        async move { open(&uris, &*connect, timeout).await.map(TokioIo::new) }
    });
    Endpoint::from(first)
        .http2_keep_alive_interval(options.keep_alive_interval)
        .keep_alive_timeout(options.keep_alive_timeout)
        .keep_alive_while_idle(true)
        .initial_stream_window_size(STREAM_WINDOW_BYTES)
        .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
        .connect_with_connector(connector)
        .await
        .map_err(|error| describe(&error).into())
}

/// Opens the first URL that can be reached.
async fn open(
    uris: &[Uri],
    connect: &dyn Connect,
    timeout: Duration,
) -> std::io::Result<Box<dyn Connection>> {
    let mut last = std::io::Error::new(std::io::ErrorKind::InvalidInput, "the peer has no URL");
    for uri in uris {
        last = match tokio::time::timeout(timeout, connect.connect(uri)).await {
            Ok(Ok(connection)) => return Ok(connection),
            Ok(Err(error)) => std::io::Error::new(error.kind(), format!("connect to {uri}: {error}")),
            Err(_) => std::io::Error::new(
                std::io::ErrorKind::TimedOut,
                format!("connect to {uri}: timed out"),
            ),
        };
    }
    Err(last)
}

/// An error with its causes.
pub(crate) fn describe(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !text.ends_with(&cause_text) {
            text = format!("{text}: {cause_text}");
        }
        source = cause.source();
    }
    text
}
