//! Connections of which nothing comes.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// How long a client may take to send what every connection begins with. Clients send it at once.
const BEGIN_TIMEOUT: Duration = Duration::from_secs(20);

/// HTTP/2's preface and the head of its first frame. No request of HTTP/1.1 is shorter that names a host.
const BEGIN_BYTES: usize = 24 + 9;

/// A stream that tells how it begins, and how to know.
pub(super) fn watched<S>(stream: S) -> (Watched<S>, Begun) {
    let received = Arc::new(AtomicUsize::new(0));
    let begun = Begun(Arc::clone(&received));
    (Watched { stream, received }, begun)
}

/// How much has come of a connection.
pub(super) struct Begun(Arc<AtomicUsize>);

impl Begun {
    /// Returns if nothing has come in time that a request could follow, and else never.
    pub(super) async fn missed(self) {
        tokio::time::sleep(BEGIN_TIMEOUT).await;
        if self.0.load(Ordering::Relaxed) >= BEGIN_BYTES {
            std::future::pending::<()>().await;
        }
    }
}

/// Counts what is received at the beginning.
pub(super) struct Watched<S> {
    stream: S,
    received: Arc<AtomicUsize>,
}

impl<S: AsyncRead + Unpin> AsyncRead for Watched<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let polled = Pin::new(&mut self.stream).poll_read(cx, buf);
        let received = self.received.load(Ordering::Relaxed);
        if received < BEGIN_BYTES {
            let more = buf.filled().len() - before;
            self.received.store(received + more, Ordering::Relaxed);
        }
        polled
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Watched<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    /// Whether a connection is ended on which this comes.
    async fn is_missed(bytes: &[u8]) -> bool {
        let (mut client, server) = tokio::io::duplex(1024);
        let (mut server, begun) = watched(server);
        client.write_all(bytes).await.unwrap();
        server.read_exact(&mut vec![0; bytes.len()]).await.unwrap();
        let mut missed = Box::pin(begun.missed());
        assert!(missed.as_mut().now_or_never().is_none());
        tokio::time::advance(BEGIN_TIMEOUT).await;
        tokio::task::yield_now().await;
        missed.now_or_never().is_some()
    }

    #[tokio::test(start_paused = true)]
    async fn what_does_not_begin_is_missed() {
        let preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
        let settings = [0, 0, 0, 4, 0, 0, 0, 0, 0];
        assert!(is_missed(b"").await);
        assert!(is_missed(&preface[..10]).await);
        assert!(is_missed(preface).await);
        assert!(!is_missed(&[&preface[..], &settings].concat()).await);
        assert!(!is_missed(b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n").await);
    }
}
