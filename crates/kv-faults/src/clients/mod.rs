//! The traffic: many clients, each of which writes down what it asked and what it was told.

mod keys;
mod lessee;
mod recorder;
mod watcher;
mod wire;

pub(crate) use keys::KeyClient;
pub(crate) use lessee::Lessee;
pub(crate) use recorder::{Clock, Recorder};
pub(crate) use watcher::Watcher;
pub(crate) use wire::{changes, everything};
