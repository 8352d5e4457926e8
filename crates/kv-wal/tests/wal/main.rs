//! The log as its users see it: on disks that fail, on real files, and beside a naive model.
mod common;
mod damage;
mod fixture;
mod full_disk;
mod model;
mod power_loss;
mod threads;
