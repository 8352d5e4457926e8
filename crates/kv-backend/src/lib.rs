//! Ordered bytes on disk: atomic batches, and a flush that says what is durable.
//!
//! A [`Backend`] is one database, a [`BackendHome`] the place it lives in. Three implementations pass the
//! same tests: [`SledHome`] is the product's, [`MemoryHome`] keeps nothing, and [`faulty::FaultyHome`]
//! loses power, fills its disk and flips bits when a test tells it to.
//!
//! Nothing here knows revisions or Raft, and no other crate names sled.

mod backend;
mod batch;
mod error;
pub mod faulty;
mod memory;
mod sled_store;

pub use backend::{Backend, BackendHome, Visit};
pub use batch::Batch;
pub use error::{BackendError, OpenError};
pub use memory::MemoryHome;
pub use sled_store::{SledHome, SledOptions};
