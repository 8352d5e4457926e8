//! Tests of running members: one module per area.

mod bad_input;
mod bootstrap;
mod durability;
mod membership;
mod pause;
