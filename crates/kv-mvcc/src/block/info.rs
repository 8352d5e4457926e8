use super::damaged::{Damaged, Malformed};
use super::part::{self, PartKind};
use super::varint::{Reader, write_varint};
use super::{Block, BlockId};

/// The info record of a block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct InfoRecord {
    pub(crate) rows: usize,
    pub(crate) raw_bytes: u64,
    pub(crate) stored_bytes: u64,
    /// One bit for each row, the lowest of the first byte first; empty if no row is dead.
    pub(crate) dead: Vec<u8>,
}

impl InfoRecord {
    /// The stored form of the record of `block` with these dead rows.
    pub(crate) fn encode(block: &Block, dead: &[u8]) -> Vec<u8> {
        let mut body = Vec::with_capacity(2 * 10 + dead.len());
        write_varint(&mut body, block.raw_bytes);
        write_varint(&mut body, block.stored_bytes);
        body.extend_from_slice(dead);
        part::seal(PartKind::Info, block.id.number, block.rows(), &body)
    }

    /// Reads a stored info record.
    pub(crate) fn decode(block: BlockId, stored: &[u8]) -> Result<Self, Damaged> {
        let body = part::unseal(PartKind::Info, block, stored)?;
        Self::read(&body).map_err(|malformed| malformed.of(block, PartKind::Info))
    }

    fn read(body: &part::Body) -> Result<Self, Malformed> {
        let mut reader = Reader::new(&body.bytes);
        let (raw_bytes, stored_bytes) = (reader.varint()?, reader.varint()?);
        let dead = reader.rest().to_vec();
        let beyond = body.rows % 8;
        let beyond_is_set = beyond != 0 && dead.last().is_some_and(|last| last >> beyond != 0);
        if !dead.is_empty() && (dead.len() != body.rows.div_ceil(8) || beyond_is_set) {
            return Err(Malformed("bitmap does not fit"));
        }
        Ok(Self {
            rows: body.rows,
            raw_bytes,
            stored_bytes,
            dead,
        })
    }
}
