//! Images of bbolt databases, as etcd's snapshots hold them: written in one pass, read page by page.
//!
//! An image is a row of pages of equal size (4096 bytes unless the first page says otherwise); numbers are little
//! endian. Two pages of meta data come first, then everything else in any order.
//!
//! | page header, 16 bytes | content |
//! |---|---|
//! | 0..8 | number of the page |
//! | 8..10 | kind: 1 branch, 2 leaf, 4 meta, 16 free list |
//! | 10..12 | how many elements follow |
//! | 12..16 | how many further pages this one takes, where its elements do not fit into one |
//!
//! | meta page, after the header | content |
//! |---|---|
//! | 0..4, 4..8 | magic `0xED0CDAED`, version 2 |
//! | 8..12, 12..16 | page size, flags (0) |
//! | 16..24, 24..32 | root page and sequence number of the root bucket |
//! | 32..40 | page of the free list; all ones if it is not stored |
//! | 40..48 | number of pages |
//! | 48..56 | transaction; of two valid metas the later one holds |
//! | 56..64 | FNV-1a of the 56 bytes before |
//!
//! | element, 16 bytes | branch | leaf |
//! |---|---|---|
//! | 0..4 | distance from the element to its key | flags: 1 if the value is a bucket |
//! | 4..8 | length of the key | distance from the element to its key |
//! | 8..12 | page of the child, | length of the key |
//! | 12..16 | 8 bytes | length of the value, which follows the key |
//!
//! A bucket is a tree of such pages in the order of keys; the root bucket holds the others. As a value, a bucket is
//! root page (8 bytes) and sequence number (8 bytes); root page 0 says that its only page, header included, follows.
//! A page of the free list holds page numbers of 8 bytes each; if there are 65535 or more, the first says how many.

mod cursor;
mod error;
mod format;
mod image;
mod page;
#[cfg(test)]
mod tests;
mod tree;
mod writer;

pub use cursor::Cursor;
pub use error::{ImageError, WriteError};
pub use image::{Image, ReadAt};
pub use writer::Writer;
