//! The same promises, asked of every implementation.

mod chance;
mod faults;
mod home;
mod model;
mod promises;
