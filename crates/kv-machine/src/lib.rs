//! The replicated state machine: command in, outcome and changes out.
//!
//! Pure and synchronous: no clock, randomness, task, socket or environment. What could differ among members is
//! decided before a command is proposed. Networks, openraft and gRPC are not known here.

mod checkpoint;
mod cluster;
mod codec;
mod command;
mod error;
#[cfg(test)]
mod fuzz;
mod machine;
mod ops_codec;
mod outcome;
mod records;
mod snapshot;
#[cfg(test)]
mod tests;

pub use checkpoint::Checkpoint;
pub use cluster::{Member, RaftMember};
pub use codec::CodecError;
pub use command::{Command, Proposal};
pub use error::{ApplyError, MachineError};
pub use machine::Machine;
pub use outcome::{Effects, LeaseCommandError, LeaseEffect, Outcome};
pub use snapshot::{Snapshot, SnapshotInstall};
