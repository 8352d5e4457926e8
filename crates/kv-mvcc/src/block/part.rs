use std::fmt;

use super::BlockId;
use super::damaged::{Damaged, Malformed};
use super::varint::Reader;

const FORMAT: u8 = 1;
const STORED: u8 = 0;
const LZ4: u8 = 1;
const HEADER_BYTES: usize = 24;
const CHECKSUM_BYTES: usize = 4;
/// No body of lz4 grows by more than this factor, so that a forged length cannot ask for memory at will.
const LZ4_RATIO_MAX: u64 = 256;

/// Which pair of a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PartKind {
    /// All of the rows but their values.
    Keys,
    /// The values.
    Values,
    /// What changes: which rows are dead.
    Info,
}

impl PartKind {
    fn code(self) -> u8 {
        match self {
            PartKind::Keys => 1,
            PartKind::Values => 2,
            PartKind::Info => 3,
        }
    }
}

impl fmt::Display for PartKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            PartKind::Keys => "keys",
            PartKind::Values => "values",
            PartKind::Info => "info",
        })
    }
}

/// A part without its envelope.
pub(super) struct Body {
    pub(super) rows: usize,
    pub(super) bytes: Vec<u8>,
}

/// The stored form of a part, compressed if that makes it smaller.
pub(super) fn seal(kind: PartKind, number: u64, rows: usize, body: &[u8]) -> Vec<u8> {
    let packed = lz4_flex::block::compress(body);
    let (compression, stored) = if packed.len() < body.len() {
        (LZ4, &packed[..])
    } else {
        (STORED, body)
    };
    let rows = u32::try_from(rows).expect("rows of a block are bounded by its size");
    let mut out = Vec::with_capacity(HEADER_BYTES + stored.len() + CHECKSUM_BYTES);
    out.extend_from_slice(&[FORMAT, kind.code(), compression, 0]);
    out.extend_from_slice(&rows.to_le_bytes());
    out.extend_from_slice(&number.to_le_bytes());
    out.extend_from_slice(&(body.len() as u64).to_le_bytes());
    out.extend_from_slice(stored);
    out.extend_from_slice(&crc32c::crc32c(&out).to_le_bytes());
    out
}

/// Checks a part against what it is read as, and unpacks it.
pub(super) fn unseal(kind: PartKind, block: BlockId, part: &[u8]) -> Result<Body, Damaged> {
    unseal_numbered(kind, block.number, part).map_err(|malformed| malformed.of(block, kind))
}

fn unseal_numbered(kind: PartKind, number: u64, part: &[u8]) -> Result<Body, Malformed> {
    match part.first() {
        Some(&FORMAT) => {}
        Some(_) => return Err(Malformed("format is not known")),
        None => return Err(Malformed("is empty")),
    }
    let (checked, checksum) = part
        .split_last_chunk::<CHECKSUM_BYTES>()
        .ok_or(Malformed("ends too early"))?;
    if crc32c::crc32c(checked) != u32::from_le_bytes(*checksum) {
        return Err(Malformed("checksum does not fit"));
    }
    let mut reader = Reader::new(checked);
    let [_, code, compression, zero] = reader.array()?;
    let rows = u32::from_le_bytes(reader.array()?);
    let found = u64::from_le_bytes(reader.array()?);
    let length = u64::from_le_bytes(reader.array()?);
    if code != kind.code() || zero != 0 {
        return Err(Malformed("is of another kind"));
    }
    if found != number {
        return Err(Malformed("belongs to another block"));
    }
    let rows = usize::try_from(rows).map_err(|_| Malformed("has too many rows"))?;
    Ok(Body {
        rows,
        bytes: unpack(compression, length, reader.rest())?,
    })
}

fn unpack(compression: u8, length: u64, stored: &[u8]) -> Result<Vec<u8>, Malformed> {
    if compression == STORED {
        let fits = length == stored.len() as u64;
        return if fits {
            Ok(stored.to_vec())
        } else {
            Err(Malformed("length does not fit"))
        };
    }
    if compression != LZ4 {
        return Err(Malformed("compression is not known"));
    }
    if length > (stored.len() as u64 + 1) * LZ4_RATIO_MAX {
        return Err(Malformed("length does not fit"));
    }
    let length = usize::try_from(length).map_err(|_| Malformed("length does not fit"))?;
    let mut body = vec![0; length];
    match lz4_flex::block::decompress_into(stored, &mut body) {
        Ok(written) if written == length => Ok(body),
        _ => Err(Malformed("does not unpack")),
    }
}
