//! Deterministic simulation: whole clusters on simulated time, network and disks, with faults and invariants.
//!
//! A seed decides everything: the size of the cluster, what its clients ask, what goes wrong and when. The production
//! code runs unchanged, from the log to the server that clients call, on one thread with tokio's paused clock; in place
//! of the log's thread, blocking work, randomness and the wall clock there is `kv_raft::host` and
//! `kv_wal::Driver`. So the same seed gives the same run, to the last message. For that tokio must be built with
//! `--cfg tokio_unstable`, which lets its own choices by chance be seeded; `cargo xtask sim` sees to it.
//!
//! What members apply is compared with the [truth](truth::Truth), entry by entry, and so is every answer to a client.
//! The invariants are in `invariants`, one file each.

mod chance;
mod clients;
mod cluster;
mod disk;
mod inspector;
mod invariants;
mod log_writer;
mod nemesis;
mod net;
mod observed;
mod panics;
mod plan;
mod rot;
mod seat;
mod simulation;
mod trace;
mod truth;
mod violation;
mod world;

pub use panics::catch_panics;
pub use simulation::{Report, simulate};
pub use violation::{Verdict, Violation};
pub use world::Counts;
