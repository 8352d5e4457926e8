//! Whole members in this process, on disks that fail when they are told to: power losses, syncs that are held back,
//! full disks.
#![expect(clippy::unwrap_used, reason = "a test that panics has failed")]

mod auth;
mod cluster;
mod disk;
mod full_disk;
mod gate;
mod journal;
mod net;
mod packing;
mod power_loss;
mod quorum;
mod writer;
