//! Starts, kills and restarts real members, and drives them with many writers at once.
//!
//! The server is the program in `KVD_BIN`, or `target/release/kvd`.

mod cluster;
mod history;
mod memory;
mod ports;
mod process;
mod random;
mod secrets;
mod writers;

pub use cluster::{Cluster, Member};
pub use history::{Found, check_acknowledged, read_all};
pub use memory::peak_mib;
pub use ports::free_ports;
pub use process::{Output, Process, server_binary};
pub use random::Random;
pub use secrets::leak;
pub use writers::{Acknowledged, Writers};
