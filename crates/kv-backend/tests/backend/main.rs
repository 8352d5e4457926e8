//! The same promises, asked of every implementation.

#![expect(
    clippy::unwrap_used,
    reason = "a test ends at the first thing that does not hold"
)]

mod chance;
mod child;
mod faults;
mod home;
mod kill;
mod model;
mod power;
mod promises;
mod trouble;
