//! One bucket's pages, made from its keys in order.

use std::io::{self, Write};

use crate::error::WriteError;
use crate::format::{BUCKET_BYTES, ELEMENT_BYTES, HEADER_BYTES, Header, PAGE_BYTES, kind};

/// bbolt's bounds.
const KEY_BYTES_MAX: usize = 32_768;
const VALUE_BYTES_MAX: usize = (1 << 31) - 2;

/// A bucket of one page up to this size is kept within its value.
const INLINE_BYTES_MAX: usize = PAGE_BYTES / 4;

/// Gives out pages one after another.
pub(crate) struct Pages<W> {
    pub(crate) out: W,
    pub(crate) next: u64,
}

impl<W: Write> Pages<W> {
    /// Writes a page of this kind and returns its number.
    pub(crate) fn write(&mut self, kind: u16, count: u16, elements: &[u8]) -> io::Result<u64> {
        let bytes = HEADER_BYTES + elements.len();
        let pages = bytes.div_ceil(PAGE_BYTES);
        let header = Header {
            id: self.next,
            kind,
            count,
            overflow: u32::try_from(pages - 1).map_err(io::Error::other)?,
        };
        self.out.write_all(&header.encode())?;
        self.out.write_all(elements)?;
        let padding = pages * PAGE_BYTES - bytes;
        self.out.write_all(&[0; PAGE_BYTES][..padding])?;
        let id = self.next;
        self.next += pages as u64;
        Ok(id)
    }
}

/// Elements of a page that is not written yet.
#[derive(Default)]
struct Elements {
    /// What each is but for the distance to its key: which of its numbers is that one depends on the kind.
    heads: Vec<Head>,
    data: Vec<u8>,
    first_key: Vec<u8>,
}

struct Head {
    /// Distance of the key from the beginning of the data.
    key_at: usize,
    key_bytes: u32,
    rest: Rest,
}

enum Rest {
    Child(u64),
    Value { flags: u32, bytes: u32 },
}

impl Elements {
    fn is_empty(&self) -> bool {
        self.heads.is_empty()
    }

    /// What the page would take with one more element, header included.
    fn bytes_with(&self, data_bytes: usize) -> usize {
        HEADER_BYTES + (self.heads.len() + 1) * ELEMENT_BYTES + self.data.len() + data_bytes
    }

    fn push(&mut self, key: &[u8], value: &[u8], rest: Rest) {
        if self.is_empty() {
            self.first_key = key.to_vec();
        }
        self.heads.push(Head {
            key_at: self.data.len(),
            // Checked when it came.
            key_bytes: u32::try_from(key.len()).unwrap_or(u32::MAX),
            rest,
        });
        self.data.extend_from_slice(key);
        self.data.extend_from_slice(value);
    }

    fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(self.heads.len() * ELEMENT_BYTES + self.data.len());
        for (at, head) in self.heads.iter().enumerate() {
            let distance = (self.heads.len() - at) * ELEMENT_BYTES + head.key_at;
            let distance = u32::try_from(distance).unwrap_or(u32::MAX).to_le_bytes();
            match head.rest {
                Rest::Child(page) => {
                    bytes.extend(distance);
                    bytes.extend(head.key_bytes.to_le_bytes());
                    bytes.extend(page.to_le_bytes());
                }
                Rest::Value { flags, bytes: length } => {
                    bytes.extend(flags.to_le_bytes());
                    bytes.extend(distance);
                    bytes.extend(head.key_bytes.to_le_bytes());
                    bytes.extend(length.to_le_bytes());
                }
            }
        }
        bytes.extend_from_slice(&self.data);
        bytes
    }

    /// Writes the page, empties it, and returns its first key and number.
    fn flush<W: Write>(&mut self, kind: u16, pages: &mut Pages<W>) -> io::Result<(Vec<u8>, u64)> {
        let id = pages.write(kind, self.count(), &self.encode())?;
        let first_key = std::mem::take(&mut self.first_key);
        self.heads.clear();
        self.data.clear();
        Ok((first_key, id))
    }

    /// An element takes 16 bytes at least, so that a page has few.
    fn count(&self) -> u16 {
        u16::try_from(self.heads.len()).unwrap_or(u16::MAX)
    }
}

/// A bucket being written. Holds one page of each level.
#[derive(Default)]
pub(crate) struct Tree {
    leaf: Elements,
    /// The lowest level first.
    branches: Vec<Elements>,
    last_key: Vec<u8>,
}

impl Tree {
    /// Adds a key after all others.
    pub(crate) fn put<W: Write>(
        &mut self,
        pages: &mut Pages<W>,
        flags: u32,
        key: &[u8],
        value: &[u8],
    ) -> Result<(), WriteError> {
        let fits = (1..=KEY_BYTES_MAX).contains(&key.len()) && value.len() <= VALUE_BYTES_MAX;
        let bytes = u32::try_from(value.len()).ok().filter(|_| fits);
        let Some(bytes) = bytes else {
            return Err(WriteError::Length {
                key_bytes: key.len(),
                value_bytes: value.len(),
            });
        };
        if key <= self.last_key.as_slice() {
            return Err(WriteError::OutOfOrder { key: key.to_vec() });
        }
        self.last_key.clear();
        self.last_key.extend_from_slice(key);
        if !self.leaf.is_empty() && self.leaf.bytes_with(key.len() + value.len()) > PAGE_BYTES {
            let (first_key, id) = self.leaf.flush(kind::LEAF, pages)?;
            self.add_child(pages, 0, &first_key, id)?;
        }
        self.leaf.push(key, value, Rest::Value { flags, bytes });
        Ok(())
    }

    fn add_child<W: Write>(
        &mut self,
        pages: &mut Pages<W>,
        level: usize,
        key: &[u8],
        page: u64,
    ) -> io::Result<()> {
        if level == self.branches.len() {
            self.branches.push(Elements::default());
        }
        let branch = &mut self.branches[level];
        // Two children at least, whatever the length of keys, so that each level has fewer pages.
        if branch.heads.len() > 1 && branch.bytes_with(key.len()) > PAGE_BYTES {
            let (first_key, id) = branch.flush(kind::BRANCH, pages)?;
            self.add_child(pages, level + 1, &first_key, id)?;
        }
        self.branches[level].push(key, &[], Rest::Child(page));
        Ok(())
    }

    /// Writes what is left; the number of the root page.
    pub(crate) fn finish<W: Write>(mut self, pages: &mut Pages<W>) -> io::Result<u64> {
        let (mut key, mut id) = self.leaf.flush(kind::LEAF, pages)?;
        let mut level = 0;
        while level < self.branches.len() {
            self.add_child(pages, level, &key, id)?;
            (key, id) = self.branches[level].flush(kind::BRANCH, pages)?;
            level += 1;
        }
        Ok(id)
    }

    /// The bucket as a value of the root bucket.
    pub(crate) fn finish_as_value<W: Write>(self, pages: &mut Pages<W>) -> io::Result<Vec<u8>> {
        const SEQUENCE: u64 = 0;
        let elements = self.leaf.encode();
        let mut value = Vec::new();
        if self.branches.is_empty() && HEADER_BYTES + elements.len() <= INLINE_BYTES_MAX {
            let header = Header {
                id: 0,
                kind: kind::LEAF,
                count: self.leaf.count(),
                overflow: 0,
            };
            value.reserve(BUCKET_BYTES + HEADER_BYTES + elements.len());
            value.extend(0_u64.to_le_bytes());
            value.extend(SEQUENCE.to_le_bytes());
            value.extend(header.encode());
            value.extend(elements);
        } else {
            value.extend(self.finish(pages)?.to_le_bytes());
            value.extend(SEQUENCE.to_le_bytes());
        }
        Ok(value)
    }
}
