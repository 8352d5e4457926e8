//! The async shell of a member: propose and await, linearizable reads, leases, watches.

mod error;

pub use error::RequestError;
