//! Deterministic simulation: whole clusters on simulated time, network and disks, with faults and invariants.
//!
//! A seed decides everything: the size of the cluster, what its clients ask, what goes wrong and when. The production
//! code runs unchanged, from the log to the server that clients call, on one thread with tokio's paused clock;
//! `kv_raft::host` stands for threads that do blocking work and for randomness, and `kv_wal::Driver` is stepped in place
//! of the log's thread. So the same seed gives the same run, to the last message. For that tokio must be built with
//! `--cfg tokio_unstable`, which lets its own choices by chance be seeded; `cargo xtask sim` sees to it.
//!
//! What members apply is compared with the truth (`truth.rs`), entry by entry, and so is every answer to a client.
//! The invariants are in `invariants`, one file each. Clocks drift apart as far as Raft's timers go; leases are timed by
//! the true clock. Not simulated yet: damage to the store, which is in memory (`kv_backend::faulty`).

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
