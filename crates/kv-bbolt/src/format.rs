//! Headers and numbers.

/// The size of the pages that are written.
pub(crate) const PAGE_BYTES: usize = 4096;

/// What a page header takes, and each element.
pub(crate) const HEADER_BYTES: usize = 16;
pub(crate) const ELEMENT_BYTES: usize = 16;

/// What a meta takes behind the header of its page.
pub(crate) const META_BYTES: usize = 64;

/// What stands before the page of a bucket that is kept within its value.
pub(crate) const BUCKET_BYTES: usize = 16;

/// Flag of a leaf's element whose value is a bucket.
pub(crate) const BUCKET_FLAG: u32 = 1;

const MAGIC: u32 = 0xED0C_DAED;
const VERSION: u32 = 2;

/// Where the number of the free list's page says that there is none.
pub(crate) const NO_FREE_LIST: u64 = u64::MAX;

/// What a page is.
pub(crate) mod kind {
    pub(crate) const BRANCH: u16 = 1;
    pub(crate) const LEAF: u16 = 2;
    pub(crate) const META: u16 = 4;
    pub(crate) const FREE_LIST: u16 = 16;
}

/// The header of a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Header {
    pub(crate) id: u64,
    pub(crate) kind: u16,
    pub(crate) count: u16,
    pub(crate) overflow: u32,
}

impl Header {
    pub(crate) fn encode(&self) -> [u8; HEADER_BYTES] {
        let mut bytes = [0; HEADER_BYTES];
        bytes[..8].copy_from_slice(&self.id.to_le_bytes());
        bytes[8..10].copy_from_slice(&self.kind.to_le_bytes());
        bytes[10..12].copy_from_slice(&self.count.to_le_bytes());
        bytes[12..].copy_from_slice(&self.overflow.to_le_bytes());
        bytes
    }

    /// `bytes` are at least those of a header.
    pub(crate) fn decode(bytes: &[u8]) -> Self {
        Self {
            id: u64_at(bytes, 0),
            kind: u16::from_le_bytes([bytes[8], bytes[9]]),
            count: u16::from_le_bytes([bytes[10], bytes[11]]),
            overflow: u32_at(bytes, 12),
        }
    }
}

/// Where everything begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Meta {
    pub(crate) page_bytes: u32,
    pub(crate) root: u64,
    pub(crate) free_list: u64,
    pub(crate) pages: u64,
    pub(crate) transaction: u64,
}

impl Meta {
    pub(crate) fn encode(&self) -> [u8; META_BYTES] {
        let mut bytes = [0; META_BYTES];
        let mut put = |at: usize, number: &[u8]| bytes[at..at + number.len()].copy_from_slice(number);
        put(0, &MAGIC.to_le_bytes());
        put(4, &VERSION.to_le_bytes());
        put(8, &self.page_bytes.to_le_bytes());
        put(16, &self.root.to_le_bytes());
        put(32, &self.free_list.to_le_bytes());
        put(40, &self.pages.to_le_bytes());
        put(48, &self.transaction.to_le_bytes());
        let checksum = fnv1a(&bytes[..56]);
        bytes[56..].copy_from_slice(&checksum.to_le_bytes());
        bytes
    }

    /// The meta, if these are the bytes of one.
    pub(crate) fn decode(bytes: &[u8; META_BYTES]) -> Option<Self> {
        let fits = u32_at(bytes, 0) == MAGIC
            && u32_at(bytes, 4) == VERSION
            && u64_at(bytes, 56) == fnv1a(&bytes[..56]);
        fits.then(|| Self {
            page_bytes: u32_at(bytes, 8),
            root: u64_at(bytes, 16),
            free_list: u64_at(bytes, 32),
            pages: u64_at(bytes, 40),
            transaction: u64_at(bytes, 48),
        })
    }
}

/// The number at `at`, which is within `bytes`.
pub(crate) fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(std::array::from_fn(|i| bytes[at + i]))
}

/// The number at `at`, which is within `bytes`.
pub(crate) fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(std::array::from_fn(|i| bytes[at + i]))
}

fn fnv1a(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    })
}
