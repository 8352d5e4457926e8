//! The replicated state machine: command in, outcome and changes out.
//!
//! Pure and synchronous: no clock, randomness, task, socket or environment. What could differ among members is
//! decided before a command is proposed. Networks, openraft and gRPC are not known here.

mod access;
mod auth_codec;
mod auth_records;
mod checkpoint;
mod cluster;
mod codec;
mod command;
mod error;
mod frozen;
mod import;
mod machine;
mod ops_codec;
mod outcome;
mod records;
mod snapshot;
#[cfg(test)]
mod tests;
mod upkeep;

pub use access::KeyAccess;
pub use checkpoint::Checkpoint;
pub use cluster::{Member, RaftMember};
pub use codec::CodecError;
pub use command::{Command, Proposal};
pub use error::{ApplyError, MachineError};
pub use frozen::Frozen;
pub use import::{Import, RestoredState};
pub use machine::Machine;
pub use outcome::{Authenticated, Effects, LeaseCommandError, LeaseEffect, Outcome, Refused, TokenEffect};
pub use snapshot::{Snapshot, SnapshotInstall};
pub use upkeep::{Alarm, AlarmKind};
