//! A page as it was read, checked.

use crate::error::ImageError;
use crate::format::{ELEMENT_BYTES, HEADER_BYTES, Header, kind, u32_at, u64_at};

/// A page of a tree, all of whose elements lie within it.
#[derive(Debug)]
pub(crate) struct Page {
    pub(crate) id: u64,
    bytes: Vec<u8>,
    count: usize,
    leaf: bool,
}

impl Page {
    /// Checks a page. `id` is the number it was found under: 0 if it lies within a value of another page, `at`.
    pub(crate) fn new(id: u64, at: u64, bytes: Vec<u8>) -> Result<Self, ImageError> {
        if bytes.len() < HEADER_BYTES {
            return Err(ImageError::page(at, "a bucket within it has no page header"));
        }
        let header = Header::decode(&bytes);
        if header.id != id {
            return Err(ImageError::page(
                at,
                format!("says that it is page {}", header.id),
            ));
        }
        let leaf = match header.kind {
            kind::LEAF => true,
            kind::BRANCH if header.count > 0 => false,
            kind::BRANCH => return Err(ImageError::page(at, "is a branch without a child")),
            other => {
                return Err(ImageError::page(
                    at,
                    format!("is of kind {other:#x}, neither branch nor leaf"),
                ));
            }
        };
        let page = Self {
            id: at,
            bytes,
            count: usize::from(header.count),
            leaf,
        };
        page.check_elements()?;
        Ok(page)
    }

    fn check_elements(&self) -> Result<(), ImageError> {
        let heads_end = HEADER_BYTES + self.count * ELEMENT_BYTES;
        if heads_end > self.bytes.len() {
            return Err(ImageError::page(
                self.id,
                format!("has no room for {} elements", self.count),
            ));
        }
        for at in 0..self.count {
            let (start, key_bytes, value_bytes) = self.place(at);
            let end = start
                .checked_add(key_bytes)
                .and_then(|end| end.checked_add(value_bytes));
            if start < heads_end as u64 || end.is_none_or(|end| end > self.bytes.len() as u64) {
                return Err(ImageError::page(
                    self.id,
                    format!("element {at} points out of it"),
                ));
            }
        }
        Ok(())
    }

    /// Where an element's key begins in the page, and the lengths of key and value.
    fn place(&self, at: usize) -> (u64, u64, u64) {
        let head = HEADER_BYTES + at * ELEMENT_BYTES;
        let number = |offset| u64::from(u32_at(&self.bytes, head + offset));
        if self.leaf {
            (head as u64 + number(4), number(8), number(12))
        } else {
            (head as u64 + number(0), number(4), 0)
        }
    }

    pub(crate) fn is_leaf(&self) -> bool {
        self.leaf
    }

    pub(crate) fn count(&self) -> usize {
        self.count
    }

    /// The key and value of an element.
    pub(crate) fn entry(&self, at: usize) -> (&[u8], &[u8]) {
        let (start, key_bytes, value_bytes) = self.place(at);
        // Checked to be within the page, whose length is a usize.
        let [start, key_bytes, value_bytes] =
            [start, key_bytes, value_bytes].map(|number| usize::try_from(number).unwrap_or(usize::MAX));
        self.bytes[start..start + key_bytes + value_bytes].split_at(key_bytes)
    }

    /// The flags of a leaf's element.
    pub(crate) fn flags(&self, at: usize) -> u32 {
        u32_at(&self.bytes, HEADER_BYTES + at * ELEMENT_BYTES)
    }

    /// The child that a branch's element leads to.
    pub(crate) fn child(&self, at: usize) -> u64 {
        u64_at(&self.bytes, HEADER_BYTES + at * ELEMENT_BYTES + 8)
    }
}
