use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use crate::cursor::{Cursor, Seen};
use crate::error::ImageError;
use crate::format::{
    BUCKET_BYTES, BUCKET_FLAG, HEADER_BYTES, Header, META_BYTES, Meta, NO_FREE_LIST, kind, u64_at,
};
use crate::page::Page;

/// Pages may have from 1 KiB to 64 KiB.
const PAGE_BYTES_POWERS: std::ops::RangeInclusive<u32> = 10..=16;

/// A leaf with one large value takes many pages in a row. This much is read into memory at most.
const LEAF_BYTES_MAX: u64 = 256 << 20;

/// A branch holds keys alone.
const BRANCH_BYTES_MAX: u64 = 4 << 20;

/// A bucket within a value is shorter than a page.
const INLINE_BYTES_MAX: usize = 64 << 10;

/// Buckets that are taken for real; etcd has a dozen.
const BUCKETS_MAX: usize = 1024;

/// Bytes that can be read at any place.
pub trait ReadAt {
    /// Fills the buffer from `offset` on.
    ///
    /// # Errors
    /// As the system says, or that the bytes end before.
    fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()>;
}

impl ReadAt for File {
    fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        FileExt::read_exact_at(self, buffer, offset)
    }
}

impl ReadAt for Vec<u8> {
    fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        let from = usize::try_from(offset).ok().and_then(|offset| self.get(offset..));
        let bytes = from.and_then(|from| from.get(..buffer.len()));
        buffer.copy_from_slice(bytes.ok_or(io::ErrorKind::UnexpectedEof)?);
        Ok(())
    }
}

/// An image that is read page by page. Nothing in it is trusted: a wrong one gives an error, whatever it says.
#[derive(Debug)]
pub struct Image<R> {
    bytes: R,
    meta: Meta,
    buckets: Vec<Bucket>,
}

#[derive(Clone, Debug)]
struct Bucket {
    name: Vec<u8>,
    root: Root,
}

/// Where a bucket's first page is.
#[derive(Clone, Debug)]
pub(crate) enum Root {
    Page(u64),
    /// Within the value of a page.
    Inline {
        at: u64,
        page: Vec<u8>,
    },
}

impl<R: ReadAt> Image<R> {
    /// Opens the image that the first `length` bytes hold, and reads which buckets there are.
    ///
    /// # Errors
    /// [`ImageError`].
    pub fn open(bytes: R, length: u64) -> Result<Self, ImageError> {
        let meta = newest_meta(&bytes, length)?;
        let expected = meta.pages.saturating_mul(u64::from(meta.page_bytes));
        if length < expected {
            return Err(ImageError::Truncated {
                expected,
                found: length,
            });
        }
        let mut image = Self {
            bytes,
            meta,
            buckets: Vec::new(),
        };
        image.buckets = image.read_buckets(&mut image.seen())?;
        Ok(image)
    }

    /// The names of the buckets, ascending.
    pub fn buckets(&self) -> impl Iterator<Item = &[u8]> {
        self.buckets.iter().map(|bucket| &bucket.name[..])
    }

    /// Bytes of the image, without what may stand behind it.
    pub fn size(&self) -> u64 {
        self.meta.pages * u64::from(self.meta.page_bytes)
    }

    /// Reads a bucket from its first key on; nothing if there is no such bucket.
    pub fn cursor(&self, bucket: &[u8]) -> Option<Cursor<'_, R>> {
        let bucket = self.buckets.iter().find(|known| known.name == bucket)?;
        Some(Cursor::new(self, bucket.root.clone(), self.seen()))
    }

    /// Reads everything: each page must be used once or be free, and all keys must be in order.
    ///
    /// # Errors
    /// [`ImageError`] of the first page that is not as it should be.
    pub fn check(&self) -> Result<(), ImageError> {
        let mut seen = self.seen();
        self.read_buckets(&mut seen)?;
        for bucket in &self.buckets {
            let mut cursor = Cursor::new(self, bucket.root.clone(), seen);
            while cursor.next()?.is_some() {}
            seen = cursor.into_seen();
        }
        self.check_free_list(&mut seen)?;
        match seen.first_missing() {
            Some(page) if self.meta.free_list != NO_FREE_LIST => {
                Err(ImageError::page(page, "is neither used nor free"))
            }
            _ => Ok(()),
        }
    }

    fn seen(&self) -> Seen {
        let mut seen = Seen::new(self.meta.pages);
        // The metas; there is nothing to meet yet.
        let _ = (seen.meet(0), seen.meet(1));
        seen
    }

    fn read_buckets(&self, seen: &mut Seen) -> Result<Vec<Bucket>, ImageError> {
        let taken = std::mem::replace(seen, Seen::new(0));
        let mut cursor = Cursor::of_root(self, Root::Page(self.meta.root), taken);
        let mut buckets = Vec::new();
        while let Some((name, value)) = cursor.next()? {
            let (name, value) = (name.to_vec(), value.to_vec());
            let at = cursor.page();
            if buckets.len() == BUCKETS_MAX {
                return Err(ImageError::page(
                    at,
                    format!("has more than {BUCKETS_MAX} buckets"),
                ));
            }
            buckets.push(Bucket {
                name,
                root: Root::decode(at, &value)?,
            });
        }
        *seen = cursor.into_seen();
        Ok(buckets)
    }

    fn check_free_list(&self, seen: &mut Seen) -> Result<(), ImageError> {
        let id = self.meta.free_list;
        if id == NO_FREE_LIST {
            return Ok(());
        }
        let (header, page) = self.read_raw(id, seen)?;
        if header.kind != kind::FREE_LIST {
            return Err(ImageError::page(id, "is not the free list that it should be"));
        }
        let room = (page.len() - HEADER_BYTES) / 8;
        let (count, start) = match header.count {
            u16::MAX if room > 0 => (u64_at(&page, HEADER_BYTES), HEADER_BYTES + 8),
            count => (u64::from(count), HEADER_BYTES),
        };
        let room = room - (start - HEADER_BYTES) / 8;
        let count = usize::try_from(count).ok().filter(|count| *count <= room);
        let count = count.ok_or_else(|| ImageError::page(id, "the free list does not end within it"))?;
        let mut numbers = page[start..].chunks_exact(8).take(count);
        numbers.try_for_each(|number| seen.meet(u64_at(number, 0)))
    }

    /// Reads a page of a tree. Each is met once: what is met again would be a circle, or two owners.
    pub(crate) fn page(&self, id: u64, seen: &mut Seen) -> Result<Page, ImageError> {
        let (_, bytes) = self.read_raw(id, seen)?;
        Page::new(id, id, bytes)
    }

    fn read_raw(&self, id: u64, seen: &mut Seen) -> Result<(Header, Vec<u8>), ImageError> {
        seen.meet(id)?;
        let page_bytes = u64::from(self.meta.page_bytes);
        let mut head = [0; HEADER_BYTES];
        self.read(&mut head, id * page_bytes)?;
        let header = Header::decode(&head);
        let pages = u64::from(header.overflow) + 1;
        for further in 1..pages {
            seen.meet(id + further)?;
        }
        let length = pages * page_bytes;
        let length_max = match header.kind {
            kind::BRANCH => BRANCH_BYTES_MAX,
            _ => LEAF_BYTES_MAX,
        };
        if length > length_max {
            return Err(ImageError::page(
                id,
                format!("has {length} bytes, more than {length_max}"),
            ));
        }
        let mut bytes = vec![0; usize::try_from(length).unwrap_or(usize::MAX)];
        self.read(&mut bytes, id * page_bytes)?;
        Ok((header, bytes))
    }

    fn read(&self, buffer: &mut [u8], offset: u64) -> Result<(), ImageError> {
        read(&self.bytes, buffer, offset)
    }
}

impl Root {
    fn decode(at: u64, value: &[u8]) -> Result<Self, ImageError> {
        let Some((head, page)) = value.split_at_checked(BUCKET_BYTES) else {
            return Err(ImageError::page(at, "has a bucket of too few bytes"));
        };
        match u64_at(head, 0) {
            0 if page.len() > INLINE_BYTES_MAX => Err(ImageError::page(
                at,
                "has a bucket within it that is longer than a page",
            )),
            0 => Ok(Self::Inline {
                at,
                page: page.to_vec(),
            }),
            root => Ok(Self::Page(root)),
        }
    }
}

/// What a leaf's element has to be in the root bucket, and elsewhere.
pub(crate) fn flags_wanted(in_root: bool) -> u32 {
    if in_root { BUCKET_FLAG } else { 0 }
}

fn newest_meta(bytes: &impl ReadAt, length: u64) -> Result<Meta, ImageError> {
    let first = meta_at(bytes, length, 0)?;
    let second = match first {
        Some(first) => meta_at(bytes, length, u64::from(first.page_bytes))?,
        None => find_second_meta(bytes, length)?,
    };
    let newest = first
        .into_iter()
        .chain(second)
        .max_by_key(|meta| meta.transaction);
    newest.ok_or(ImageError::NoMeta)
}

/// Without the first page it is not known how large pages are.
fn find_second_meta(bytes: &impl ReadAt, length: u64) -> Result<Option<Meta>, ImageError> {
    for power in PAGE_BYTES_POWERS {
        let found = meta_at(bytes, length, 1 << power)?;
        if let Some(meta) = found.filter(|meta| meta.page_bytes == 1 << power) {
            return Ok(Some(meta));
        }
    }
    Ok(None)
}

/// The meta of the page at `offset`, if it is valid.
fn meta_at(bytes: &impl ReadAt, length: u64, offset: u64) -> Result<Option<Meta>, ImageError> {
    if length < offset + (HEADER_BYTES + META_BYTES) as u64 {
        return Ok(None);
    }
    let mut meta = [0; META_BYTES];
    read(bytes, &mut meta, offset + HEADER_BYTES as u64)?;
    let meta = Meta::decode(&meta);
    Ok(meta.filter(|meta| {
        let page_bytes = meta.page_bytes;
        page_bytes.is_power_of_two() && PAGE_BYTES_POWERS.contains(&page_bytes.trailing_zeros())
    }))
}

fn read(bytes: &impl ReadAt, buffer: &mut [u8], offset: u64) -> Result<(), ImageError> {
    bytes
        .read_exact_at(buffer, offset)
        .map_err(|source| ImageError::Io {
            offset,
            bytes: buffer.len(),
            source,
        })
}
