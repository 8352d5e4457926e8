use std::io::{BufWriter, Seek, SeekFrom, Write};

use crate::error::WriteError;
use crate::format::{BUCKET_FLAG, Header, META_BYTES, Meta, PAGE_BYTES, kind};
use crate::tree::{Pages, Tree};

/// Writes an image from buckets and keys that come in ascending order. Memory: a page of each level.
pub struct Writer<W: Write + Seek> {
    pages: Pages<BufWriter<W>>,
    root: Tree,
    bucket: Option<(Vec<u8>, Tree)>,
}

impl<W: Write + Seek> Writer<W> {
    /// Begins an image at the beginning of `out`, which is empty.
    ///
    /// # Errors
    /// [`WriteError::Io`].
    pub fn new(out: W) -> Result<Self, WriteError> {
        let mut out = BufWriter::new(out);
        // Room for the two metas, which come last: before, this is no image.
        out.write_all(&[0; 2 * PAGE_BYTES])?;
        Ok(Self {
            pages: Pages { out, next: 2 },
            root: Tree::default(),
            bucket: None,
        })
    }

    /// Ends the bucket before, and begins another.
    ///
    /// # Errors
    /// [`WriteError::OutOfOrder`] if its name does not come after that of the one before, [`WriteError::Io`].
    pub fn begin_bucket(&mut self, name: &[u8]) -> Result<(), WriteError> {
        self.end_bucket()?;
        self.bucket = Some((name.to_vec(), Tree::default()));
        Ok(())
    }

    /// Adds a key to the bucket.
    ///
    /// # Errors
    /// [`WriteError`]; the image is of no use then.
    ///
    /// # Panics
    /// If no bucket was begun.
    pub fn put(&mut self, key: &[u8], value: &[u8]) -> Result<(), WriteError> {
        let (_, tree) = self.bucket.as_mut().expect("a key is put into a bucket");
        tree.put(&mut self.pages, 0, key, value)
    }

    fn end_bucket(&mut self) -> Result<(), WriteError> {
        let Some((name, tree)) = self.bucket.take() else {
            return Ok(());
        };
        let value = tree.finish_as_value(&mut self.pages)?;
        self.root.put(&mut self.pages, BUCKET_FLAG, &name, &value)
    }

    /// Completes the image; what it was written to, and the length in bytes. Nothing is synced.
    ///
    /// # Errors
    /// As [`Writer::begin_bucket`].
    pub fn finish(mut self) -> Result<(W, u64), WriteError> {
        self.end_bucket()?;
        let Self { mut pages, root, .. } = self;
        let root = root.finish(&mut pages)?;
        let free_list = pages.write(kind::FREE_LIST, 0, &[])?;
        let count = pages.next;
        let mut out = pages.out;
        out.seek(SeekFrom::Start(0))?;
        for id in 0..2 {
            out.write_all(&meta_page(id, root, free_list, count))?;
        }
        let out = out.into_inner().map_err(|error| error.into_error())?;
        Ok((out, count * PAGE_BYTES as u64))
    }
}

fn meta_page(id: u64, root: u64, free_list: u64, pages: u64) -> [u8; PAGE_BYTES] {
    let header = Header {
        id,
        kind: kind::META,
        count: 0,
        overflow: 0,
    };
    let meta = Meta {
        page_bytes: PAGE_BYTES as u32,
        root,
        free_list,
        pages,
        // Each transaction writes the meta page that the one before left alone.
        transaction: id,
    };
    let mut page = [0; PAGE_BYTES];
    let (head, rest) = page.split_at_mut(header.encode().len());
    head.copy_from_slice(&header.encode());
    rest[..META_BYTES].copy_from_slice(&meta.encode());
    page
}
