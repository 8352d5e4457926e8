//! Raft messages and snapshots between members, over gRPC (`kvd.peer.v1.Peer`, see `proto/kvd/peer.proto`).
//!
//! [`PeerTransport`] is the sending end, for [`kv_raft::RaftParts`]; [`service`] the receiving end, to be mounted on the
//! listener of the peer URLs. What the messages say is `kv-raft`'s business.

mod connect;
#[cfg(test)]
mod fuzz;
mod identity;
mod lane;
mod options;
mod server;
mod transport;

pub use connect::{Connect, Connection, Tcp};
pub use identity::Identity;
pub use options::{CONNECTION_WINDOW_BYTES, PeerOptions, STREAM_WINDOW_BYTES};
pub use server::{PeerService, service};
pub use transport::PeerTransport;

#[cfg(test)]
mod tests;
