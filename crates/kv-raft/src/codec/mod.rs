//! How entries, votes, memberships and messages become bytes: integers little-endian and of fixed width, byte
//! strings behind a `u32` length. Every record and message begins with the version of its layout.

mod message;
mod primitive;
mod record;

pub(crate) use message::*;
pub(crate) use primitive::{Malformed, Reader, Write};
pub(crate) use record::*;

#[cfg(test)]
mod fuzz;
#[cfg(test)]
mod tests;
