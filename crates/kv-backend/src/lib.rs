//! Ordered bytes on disk: atomic batches, and a flush that says what is durable.
//!
//! A [`Backend`] is one database, a [`BackendHome`] the place it lives in. The
//! implementations pass the same tests.
//!
//! Nothing here knows revisions or Raft, and no other crate names sled.

mod backend;
mod batch;
mod error;
mod memory;

pub use backend::{Backend, BackendHome, Visit};
pub use batch::Batch;
pub use error::{BackendError, OpenError};
pub use memory::MemoryHome;
