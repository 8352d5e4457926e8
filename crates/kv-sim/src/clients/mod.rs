//! Clients: what they ask, and how their answers are checked.

mod desk;
mod lessee;
mod request;
mod watcher;
mod writer;

pub(crate) use desk::{Desk, NoAnswer};
pub(crate) use lessee::Lessee;
pub(crate) use watcher::Watcher;
pub(crate) use writer::Writer;
