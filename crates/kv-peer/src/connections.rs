use std::collections::HashMap;
use std::time::Duration;

use kv_proto::kvd::peer::v1::peer_client::PeerClient;
use kv_raft::{Call, Flow, Peer};
use kv_types::MemberId;
use parking_lot::Mutex;
use tonic::transport::{Channel, Endpoint};

use crate::MESSAGE_BYTES_MAX;

/// HTTP/2 windows of connections that carry entries and snapshots.
const STREAM_WINDOW_BYTES: u32 = 4 << 20;
const CONNECTION_WINDOW_BYTES: u32 = 8 << 20;

/// What a connection is for. Each has its own, so that nothing that elections wait for queues behind entries, and
/// no entries behind a snapshot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Purpose {
    Urgent,
    Forwarded,
    Append,
    Snapshot,
}

impl From<Call> for Purpose {
    fn from(call: Call) -> Self {
        if call.is_urgent() {
            Self::Urgent
        } else {
            Self::Forwarded
        }
    }
}

impl From<Flow> for Purpose {
    fn from(flow: Flow) -> Self {
        match flow {
            Flow::Append => Self::Append,
            Flow::Snapshot => Self::Snapshot,
        }
    }
}

/// Connections to other members, made on first use and made again when they are lost.
///
/// Bounded: four for each member there ever was a message to.
pub(crate) struct Connections {
    connect_timeout: Duration,
    silence_max: Duration,
    by_peer: Mutex<HashMap<(MemberId, Purpose), Connection>>,
}

struct Connection {
    urls: Vec<String>,
    /// Which of the URLs is tried.
    turn: usize,
    client: PeerClient<Channel>,
}

impl Connections {
    pub(crate) fn new(connect_timeout: Duration, silence_max: Duration) -> Self {
        Self {
            connect_timeout,
            silence_max,
            by_peer: Mutex::default(),
        }
    }

    /// A client for a member; the reason if none of its URLs is one.
    pub(crate) fn client(&self, peer: &Peer, purpose: Purpose) -> Result<PeerClient<Channel>, String> {
        let mut by_peer = self.by_peer.lock();
        if let Some(connection) = by_peer.get(&(peer.id, purpose))
            && connection.urls == peer.urls
        {
            return Ok(connection.client.clone());
        }
        let connection = self.connect(&peer.urls, 0)?;
        let client = connection.client.clone();
        by_peer.insert((peer.id, purpose), connection);
        Ok(client)
    }

    /// The member was not reached: the next attempt is made at its next URL.
    pub(crate) fn failed(&self, peer: &Peer, purpose: Purpose) {
        let mut by_peer = self.by_peer.lock();
        let Some(connection) = by_peer.get_mut(&(peer.id, purpose)) else {
            return;
        };
        if connection.urls.len() > 1
            && let Ok(next) = self.connect(&connection.urls, connection.turn + 1)
        {
            *connection = next;
        }
    }

    fn connect(&self, urls: &[String], turn: usize) -> Result<Connection, String> {
        let url = urls
            .get(turn % urls.len().max(1))
            .ok_or("the member has no peer URL")?;
        let endpoint = Endpoint::from_shared(url.clone()).map_err(|error| format!("{url}: {error}"))?;
        let channel = endpoint
            .connect_timeout(self.connect_timeout)
            .tcp_nodelay(true)
            .initial_stream_window_size(STREAM_WINDOW_BYTES)
            .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
            .http2_keep_alive_interval(self.silence_max / 2)
            .keep_alive_timeout(self.silence_max / 2)
            .keep_alive_while_idle(true)
            .connect_lazy();
        let client = PeerClient::new(channel)
            .max_decoding_message_size(MESSAGE_BYTES_MAX)
            .max_encoding_message_size(MESSAGE_BYTES_MAX);
        Ok(Connection {
            urls: urls.to_vec(),
            turn: turn % urls.len(),
            client,
        })
    }
}
