//! Raft messages and snapshots between members, over gRPC (`kvd.peer.v1.Peer`).
//!
//! [`PeerTransport`] sends, [`peer_service`] receives. What the messages hold is `kv-raft`'s own affair.

mod connections;
mod identity;
mod service;
mod transport;

pub use identity::PeerIdentity;
pub use service::peer_service;
pub use transport::PeerTransport;

/// Largest message that is sent or received, in bytes. Far above any: an append carries at most some entries of
/// a few megabytes together, or one entry.
const MESSAGE_BYTES_MAX: usize = 256 * 1024 * 1024;
