//! Tests of running members: one module per area.

mod bad_input;
mod bootstrap;
mod durability;
mod hostile;
mod membership;
mod overload;
mod passwords;
mod pause;
mod process;
mod secrets;
