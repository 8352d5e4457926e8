//! The async shell of a member: propose and await, linearizable reads, leases, watches.
//!
//! [`Replica`] holds the state machine and everyone who waits for it; Raft applies entries to it. [`Server`] is
//! what the edge calls. tonic, HTTP and flags are not known here.

mod auth;
mod defragment;
mod error;
#[cfg(test)]
mod fuzz;
mod image;
mod leader_calls;
mod leases;
mod maintenance;
mod membership;
mod metrics;
mod options;
mod proposals;
mod quota;
mod read_barrier;
mod replica;
mod server;
mod shell;
mod snapshots;
mod start;
mod status;
mod upkeep;
mod waiters;
mod watch_stream;
mod watches;

pub use auth::{Credentials, ReadGrant};
pub use error::{PASSWORD_BYTES_MAX, RequestError};
pub use image::{SnapshotChunk, SnapshotImage};
pub use kv_auth::{AuthError, Permission, PermissionKind, Role};
pub use kv_machine::{Alarm, AlarmKind, MachineError, Member};
pub use leases::{LeaseGranted, LeaseTimeToLive};
pub use membership::{MemberChange, MemberError};
pub use metrics::{MetricsSnapshot, disk_histogram};
pub use options::{AuthOptions, ServerOptions, TokenOptions};
pub use replica::Replica;
pub use server::{Header, Server};
pub use shell::LogGauge;
pub use start::{LeaderDesk, Running};
pub use status::{ETCD_CLUSTER_VERSION, ETCD_VERSION, Status};
pub use watch_stream::{Streamed, WatchStream};
