//! Feeds decoders mutated encodings.
//!
//! A target is a test of the crate whose decoder it is for, named `fuzz::…`: it gives valid encodings and a check
//! that panics if a decoder does what it must not. Beside the check itself, no input may make a decoder panic, or
//! take more memory than the target says.
//!
//! As any other test a target runs for a moment, with the same inputs each time. `cargo xtask fuzz --seconds N` runs
//! all of them for so long each, with others. What is found is saved, and stays a test as a file of the corpus.

mod corpus;
mod mutate;
mod random;
mod target;

pub use target::{Memory, Target};
