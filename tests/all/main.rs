//! Tests of running members: one module per area.

mod durability;
