use std::sync::Arc;
use std::time::Duration;

use crate::{Connect, Identity, Tcp};

/// HTTP/2 flow-control window of one stream, in bytes: enough for a fast link with some delay. The listener of the
/// peer URLs should use it too.
pub const STREAM_WINDOW_BYTES: u32 = 4 * 1024 * 1024;

/// HTTP/2 flow-control window of a connection, in bytes.
pub const CONNECTION_WINDOW_BYTES: u32 = 8 * 1024 * 1024;

/// How a member talks to its peers.
#[derive(Clone)]
pub struct PeerOptions {
    /// Who talks.
    pub identity: Identity,
    /// How long a connection may take to come about.
    pub connect_timeout: Duration,
    /// After so long without a word the other side is asked for one...
    pub keep_alive_interval: Duration,
    /// ... and has so long to answer before the connection counts as lost.
    pub keep_alive_timeout: Duration,
    /// Largest message, in bytes. A log entry, which holds one proposal at least, and a frame of a snapshot must fit.
    pub message_bytes_max: usize,
    /// How connections are made.
    pub connect: Arc<dyn Connect>,
}

impl PeerOptions {
    /// Plain TCP, with times that go with an election timeout.
    pub fn new(identity: Identity, election_timeout: Duration) -> Self {
        Self {
            identity,
            connect_timeout: Duration::from_secs(1) + election_timeout,
            keep_alive_interval: election_timeout,
            keep_alive_timeout: Duration::from_secs(1) + election_timeout,
            message_bytes_max: 64 * 1024 * 1024,
            connect: Arc::new(Tcp),
        }
    }
}
