//! The stored form of rows: blocks of them in revision order, written once and never changed.
//!
//! A block is two pairs in the backend: its keys part (everything but the values) and its values part. A
//! third, small pair, the info record, names the rows that have died since; it is what makes the two others a
//! part of the store. Each pair is a *part*:
//!
//! | bytes | part |
//! |---|---|
//! | 1 | format, 1 |
//! | 1 | kind: 1 keys, 2 values, 3 info |
//! | 1 | compression of the body: 0 none, 1 lz4 |
//! | 1 | zero |
//! | 4 | number of rows |
//! | 8 | number of the block |
//! | 8 | length of the body when not compressed |
//! | … | body |
//! | 4 | crc32c of all the above |
//!
//! Integers are little endian; *varint* is seven bits per byte, lowest first, the high bit saying that more
//! follow. The bodies:
//!
//! | keys, for each row | |
//! |---|---|
//! | varint | main revision, less that of the row before (of the first row: less zero) |
//! | varint | sub revision; if the main one is that of the row before: less one and that of the row before |
//! | 1 | flags: 1 tombstone, 2 has a lease |
//! | varint | main revision less create revision (not for a tombstone) |
//! | varint | version (not for a tombstone) |
//! | 8 | lease (if it has one) |
//! | varint + … | key, after its length |
//! | varint | length of the value |
//!
//! | values | |
//! |---|---|
//! | varint, for each row | length of the value |
//! | …, for each row | value |
//!
//! | info | |
//! |---|---|
//! | varint | size of the rows, see [`row_bytes`] |
//! | varint | bytes of the two other parts as stored |
//! | … | bitmap of dead rows, the first row in the lowest bit of the first byte; absent if none is dead |
//!
//! Whatever the bytes, reading them gives what was written or an error that names the block.

mod builder;
mod chunk;
mod damaged;
#[cfg(test)]
mod fuzz;
mod id;
mod info;
mod keys;
mod part;
mod shape;
#[cfg(test)]
mod tests;
mod values;
mod varint;

pub(crate) use builder::BlockBuilder;
pub(crate) use chunk::{decode_chunk, encode_chunk};
pub(crate) use id::BlockId;
pub(crate) use info::InfoRecord;
pub(crate) use keys::Keys;
pub(crate) use part::PartKind;
pub(crate) use shape::{BLOCK_BYTES_MAX, Block, row_bytes};
pub(crate) use values::Values;
