use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use http::{Request, Response};
use http_body::Body;
use hyper::body::Incoming;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use hyper_util::service::TowerToHyperService;
use kv_config::Url;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::JoinSet;
use tower::Service;

use crate::StartError;

mod begin;
mod descriptors;

pub(crate) use descriptors::{client_connections_max, peer_connections_max};

/// HTTP/2 windows: large lists must not wait for window updates.
const STREAM_WINDOW_BYTES: u32 = 1 << 20;
const CONNECTION_WINDOW_BYTES: u32 = 4 << 20;

/// Streams of one connection at a time. etcd's default is no bound; but a client that meets this one waits for a
/// stream to end, and what it has in flight is no use to it anyway.
const STREAMS_MAX: u32 = 10_000;

/// Names and values of the metadata of one call, with 32 bytes each on top, as HTTP/2 counts them.
const HEADER_BYTES_MAX: u32 = 16 * 1024;

/// Streams that a client may have reset, or broken, before the member has got to them: beyond, the connection ends.
const RESET_STREAMS_MAX: usize = 256;

/// How long a client may take to send the headers of a request.
const HEADER_TIMEOUT: Duration = Duration::from_secs(300);

/// After an accept failed (no file descriptors left, say) the next is tried this much later.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Server pings, as etcd's.
const PING_INTERVAL: Duration = Duration::from_secs(2 * 3600);
const PING_TIMEOUT: Duration = Duration::from_secs(20);

/// Binds every address of every URL of a flag, before anything is served.
pub(crate) async fn bind(flag: &'static str, urls: &[Url]) -> Result<Vec<TcpListener>, StartError> {
    let mut listeners = Vec::new();
    for url in urls {
        let failed = |source| StartError::Listen {
            flag,
            url: url.to_string(),
            source,
        };
        let addresses = addresses(url).await.map_err(failed)?;
        for address in addresses {
            listeners.push(TcpListener::bind(address).await.map_err(failed)?);
        }
    }
    Ok(listeners)
}

/// The address to bind. `localhost` is IPv4's where the system has it, as clients try it first.
async fn addresses(url: &Url) -> io::Result<Vec<SocketAddr>> {
    let mut found: Vec<SocketAddr> = tokio::net::lookup_host((url.host(), url.port())).await?.collect();
    found.sort_by_key(SocketAddr::is_ipv6);
    found.truncate(1);
    Ok(found)
}

/// Listeners that are served.
#[derive(Default)]
pub(crate) struct Listeners {
    stop: watch::Sender<bool>,
    tasks: JoinSet<()>,
}

impl Listeners {
    /// Serves all of them, at most so many connections at a time, with what `service` gives for each.
    pub(crate) fn serve<S, B>(
        listeners: Vec<TcpListener>,
        connections_max: usize,
        service: impl Fn() -> S + Clone + Send + 'static,
    ) -> Self
    where
        S: Service<Request<Incoming>, Response = Response<B>, Error = Infallible> + Clone + Send + 'static,
        S::Future: Send + 'static,
        B: Body + Send + 'static,
        B::Data: Send,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let mut served = Self::default();
        let places = Arc::new(Semaphore::new(connections_max));
        for listener in listeners {
            let stop = served.stop.subscribe();
            let places = Arc::clone(&places);
            served.tasks.spawn(serve(listener, service.clone(), places, stop));
        }
        served
    }

    /// Accepts no more, and lets what is under way finish for so long; says whether it did, else it is cut off.
    pub(crate) async fn stop(mut self, patience: Duration) -> bool {
        self.stop.send_replace(true);
        let drained = async { while self.tasks.join_next().await.is_some() {} };
        tokio::time::timeout(patience, drained).await.is_ok()
    }
}

/// Serves connections, as many at a time as there are places, HTTP/1.1 and HTTP/2 told apart on each, until `stop`
/// turns true; then lets the requests that are under way finish.
async fn serve<S, B>(
    listener: TcpListener,
    service: impl Fn() -> S + Send,
    places: Arc<Semaphore>,
    stop: watch::Receiver<bool>,
) where
    S: Service<Request<Incoming>, Response = Response<B>, Error = Infallible> + Clone + Send + 'static,
    S::Future: Send + 'static,
    B: Body + Send + 'static,
    B::Data: Send,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let mut stopping = stop.clone();
    let mut connections = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            accepted = accept(&listener, &places) => accepted,
            () = turned(&mut stopping) => break,
            Some(_) = connections.join_next() => continue,
        };
        match accepted {
            Ok((stream, place)) => {
                let serving = connection(stream, service(), stop.clone());
                connections.spawn(async move {
                    serving.await;
                    drop(place);
                });
            }
            Err(error) => {
                tracing::warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
    drop(listener);
    while connections.join_next().await.is_some() {}
}

/// The next connection, once there is a place for it. Until then it waits with the system, as in etcd.
async fn accept(
    listener: &TcpListener,
    places: &Arc<Semaphore>,
) -> io::Result<(TcpStream, OwnedSemaphorePermit)> {
    let place = Arc::clone(places).acquire_owned().await;
    let place = place.expect("the semaphore is never closed");
    let (stream, _) = listener.accept().await?;
    Ok((stream, place))
}

async fn connection<S, B>(stream: TcpStream, service: S, mut stop: watch::Receiver<bool>)
where
    S: Service<Request<Incoming>, Response = Response<B>, Error = Infallible> + Clone + Send + 'static,
    S::Future: Send + 'static,
    B: Body + Send + 'static,
    B::Data: Send,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "no delay cannot be set");
    }
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_TIMEOUT);
    builder
        .http2()
        .timer(TokioTimer::new())
        .initial_stream_window_size(STREAM_WINDOW_BYTES)
        .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
        .max_concurrent_streams(STREAMS_MAX)
        .max_header_list_size(HEADER_BYTES_MAX)
        .max_pending_accept_reset_streams(RESET_STREAMS_MAX)
        .max_local_error_reset_streams(RESET_STREAMS_MAX)
        .keep_alive_interval(PING_INTERVAL)
        .keep_alive_timeout(PING_TIMEOUT);
    let (stream, begun) = begin::watched(stream);
    let serving = builder.serve_connection(TokioIo::new(stream), TowerToHyperService::new(service));
    let mut serving = std::pin::pin!(serving);
    let ended = tokio::select! {
        ended = serving.as_mut() => ended,
        () = begun.missed() => {
            tracing::debug!("a connection ended, as nothing came of it");
            return;
        }
        () = turned(&mut stop) => {
            serving.as_mut().graceful_shutdown();
            serving.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(error, "a connection ended badly");
    }
}

/// Waits until `stop` is true, or nobody can say so any more.
async fn turned(stop: &mut watch::Receiver<bool>) {
    let _ = stop.wait_for(|stop| *stop).await;
}
