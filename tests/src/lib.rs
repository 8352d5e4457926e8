//! Tests of running members.
