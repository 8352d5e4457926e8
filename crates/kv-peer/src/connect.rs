use std::io;

use futures_util::future::BoxFuture;
use http::Uri;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;

/// Makes connections to peers. TLS is a matter of another implementation of this.
pub trait Connect: Send + Sync + 'static {
    /// Connects to the host and port of a peer URL.
    fn connect(&self, url: &Uri) -> BoxFuture<'static, io::Result<Box<dyn Connection>>>;
}

/// An open connection.
pub trait Connection: AsyncRead + AsyncWrite + Send + Unpin + 'static {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin + 'static> Connection for T {}

/// Plain TCP.
#[derive(Clone, Copy, Debug, Default)]
pub struct Tcp;

impl Connect for Tcp {
    fn connect(&self, url: &Uri) -> BoxFuture<'static, io::Result<Box<dyn Connection>>> {
        let invalid = |reason| io::Error::new(io::ErrorKind::InvalidInput, reason);
        let address = match (url.scheme_str(), url.host(), url.port_u16()) {
            (Some("http"), Some(host), port) => {
                Ok((host.trim_matches(['[', ']']).to_owned(), port.unwrap_or(80)))
            }
            (Some("http"), None, _) => Err(invalid("the URL has no host")),
            _ => Err(invalid("only http URLs can be reached without TLS")),
        };
        Box::pin(async move {
            let stream = TcpStream::connect(address?).await?;
            // Messages are written whole; waiting for more would only delay them.
            stream.set_nodelay(true)?;
            Ok(Box::new(stream) as Box<dyn Connection>)
        })
    }
}
