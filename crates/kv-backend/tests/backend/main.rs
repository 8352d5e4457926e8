//! The same promises, asked of every implementation.

#![expect(
    clippy::unwrap_used,
    reason = "a test ends at the first thing that does not hold"
)]

mod chance;
mod faults;
mod home;
mod model;
mod promises;
