//! Watchers: synced and unsynced, batches, progress, cancellation.
//!
//! A [`Hub`] owns the watchers of all streams of a member. A *synced* watcher gets changes as they are applied;
//! an *unsynced* one (it started in the past, or its stream was too slow) reads them from a [`History`] until it
//! is synced. Each stream has a bounded queue of [`Outgoing`] responses in the one order in which they must be
//! sent, so that progress never overtakes events. Nothing here waits, reads a clock or knows how streams are
//! sent; wakers tell the shell when there is something to do.

mod event;
mod groups;
mod history;
mod hub;
mod intervals;
mod matcher;
mod message;
mod queue;
mod recent;
mod share;
mod slab;
#[cfg(test)]
mod tests;

pub use event::Event;
pub use history::History;
pub use hub::{Busy, CatchUp, CaughtUp, Counts, Hub, HubOptions, StreamId};
pub use message::{Filters, Outgoing, RejectReason, WatchCreate};
pub use queue::{StreamReceiver, Waker};
