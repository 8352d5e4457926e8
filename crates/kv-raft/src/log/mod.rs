//! openraft's log over [`kv_wal`].

mod flight;
mod size;
mod store;

pub(crate) use flight::InFlight;
pub(crate) use size::LogSize;
pub(crate) use store::LogStore;
