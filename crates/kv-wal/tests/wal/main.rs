//! The log as its users see it: on disks that fail, on real files, and beside a naive model.
#![expect(clippy::unwrap_used, reason = "a test that panics has failed")]
mod common;
mod damage;
mod filling;
mod fixture;
mod full_disk;
mod model;
mod power_loss;
mod threads;
