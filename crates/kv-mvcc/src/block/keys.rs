use bytes::Bytes;
use kv_types::{LeaseId, Revision, RowRevision, Version};

use super::damaged::{Damaged, Malformed};
use super::part::{self, PartKind};
use super::shape::{Block, ShapeBuilder, row_bytes};
use super::varint::{Reader, write_varint};
use super::{BlockId, Values};
use crate::{Row, RowMeta};

const TOMBSTONE: u8 = 1;
const LEASED: u8 = 2;

/// The unpacked keys part of a block.
#[derive(Debug)]
pub(crate) struct Keys {
    rows: Box<[KeyRow]>,
    buffer: Bytes,
}

/// A row of a block but for its value.
#[derive(Clone, Copy, Debug)]
pub(crate) struct KeyRow {
    pub(crate) revision: RowRevision,
    create_revision: Revision,
    version: Version,
    lease: Option<LeaseId>,
    tombstone: bool,
    key_start: usize,
    key_end: usize,
    value_bytes: usize,
}

impl Keys {
    /// Reads a stored keys part.
    pub(crate) fn decode(block: BlockId, stored: &[u8]) -> Result<Self, Damaged> {
        let body = part::unseal(PartKind::Keys, block, stored)?;
        let keys = Self::read(body).map_err(|malformed| malformed.of(block, PartKind::Keys))?;
        if keys.rows[0].revision != block.first {
            return Err(Malformed("begins with another row").of(block, PartKind::Keys));
        }
        Ok(keys)
    }

    fn read(body: part::Body) -> Result<Self, Malformed> {
        let buffer = Bytes::from(body.bytes);
        let mut reader = Reader::new(&buffer);
        // A row takes several bytes: a forged number of rows reserves no more than the body is worth.
        let mut rows: Vec<KeyRow> = Vec::with_capacity(body.rows.min(buffer.len()));
        for _ in 0..body.rows {
            rows.push(KeyRow::read(&mut reader, rows.last())?);
        }
        if rows.is_empty() {
            return Err(Malformed("has no rows"));
        }
        if !reader.rest().is_empty() {
            return Err(Malformed("goes on after its last row"));
        }
        Ok(Self {
            rows: rows.into(),
            buffer,
        })
    }

    /// Reads the keys part of a chunk, which may begin with any row; names it after that.
    pub(super) fn decode_of_chunk(stored: &[u8], nameless: BlockId) -> Result<(Self, BlockId), Damaged> {
        let body = part::unseal(PartKind::Keys, nameless, stored)?;
        let keys = Self::read(body).map_err(|malformed| malformed.of(nameless, PartKind::Keys))?;
        let first = keys.rows[0].revision;
        Ok((keys, BlockId { first, ..nameless }))
    }

    /// What its block is like, given the bytes of its two parts as stored.
    pub(crate) fn block(&self, id: BlockId, stored_bytes: u64) -> Result<Block, Damaged> {
        let damaged = |malformed: Malformed| malformed.of(id, PartKind::Keys);
        let mut shape = ShapeBuilder::default();
        for row in &self.rows {
            shape
                .push(
                    row.revision,
                    row_bytes(row.key_end - row.key_start, row.value_bytes),
                )
                .map_err(damaged)?;
        }
        shape
            .finish(id.number, stored_bytes)
            .ok_or_else(|| damaged(Malformed("has no rows")))
    }

    /// The rows in revision order.
    pub(crate) fn rows(&self) -> &[KeyRow] {
        &self.rows
    }

    /// A row's key; holds the memory of all keys of the block.
    pub(crate) fn key(&self, row: &KeyRow) -> Bytes {
        self.buffer.slice(row.key_start..row.key_end)
    }

    /// A row but for its value, in memory of its own.
    pub(crate) fn meta(&self, row: &KeyRow) -> RowMeta {
        RowMeta {
            revision: row.revision,
            key: Bytes::copy_from_slice(&self.buffer[row.key_start..row.key_end]),
            create_revision: row.create_revision,
            version: row.version,
            lease: row.lease,
            tombstone: row.tombstone,
        }
    }

    /// Checks that a values part is that of the same rows.
    pub(crate) fn check_values(&self, block: BlockId, values: &Values) -> Result<(), Damaged> {
        let equal = self.rows.len() == values.rows()
            && self
                .rows
                .iter()
                .enumerate()
                .all(|(at, row)| values.value_bytes(at) == row.value_bytes);
        if equal {
            Ok(())
        } else {
            Err(Malformed("does not fit the keys part").of(block, PartKind::Values))
        }
    }

    /// A row with the value it goes with.
    pub(crate) fn row(&self, row: &KeyRow, key: Bytes, value: Bytes) -> Row {
        Row {
            revision: row.revision,
            key,
            value,
            create_revision: row.create_revision,
            version: row.version,
            lease: row.lease,
            tombstone: row.tombstone,
        }
    }

    /// Memory it takes, in bytes.
    pub(crate) fn memory_bytes(&self) -> usize {
        self.buffer.len() + size_of_val(&*self.rows)
    }
}

/// Appends a row to the body of a keys part, after the row `before`.
pub(super) fn write_row(body: &mut Vec<u8>, row: &Row, before: Option<RowRevision>) {
    let RowRevision { main, sub } = row.revision;
    let before_main = before.map_or(0, |before| before.main.get());
    write_varint(body, main.get().wrapping_sub(before_main).cast_unsigned());
    match before {
        Some(before) if before.main == main => write_varint(body, u64::from(sub - before.sub - 1)),
        _ => write_varint(body, u64::from(sub)),
    }
    let leased = if row.lease.is_some() { LEASED } else { 0 };
    body.push(leased | if row.tombstone { TOMBSTONE } else { 0 });
    if !row.tombstone {
        write_varint(
            body,
            main.get().wrapping_sub(row.create_revision.get()).cast_unsigned(),
        );
        write_varint(body, row.version.get().cast_unsigned());
    }
    if let Some(lease) = row.lease {
        body.extend_from_slice(&lease.get().to_le_bytes());
    }
    write_varint(body, row.key.len() as u64);
    body.extend_from_slice(&row.key);
    write_varint(body, row.value.len() as u64);
}

impl KeyRow {
    fn read(reader: &mut Reader<'_>, before: Option<&KeyRow>) -> Result<Self, Malformed> {
        let revision = read_revision(reader, before.map(|row| row.revision))?;
        let flags = reader.byte()?;
        if flags & !(TOMBSTONE | LEASED) != 0 {
            return Err(Malformed("has flags that are not known"));
        }
        let tombstone = flags & TOMBSTONE != 0;
        let (create_revision, version) = if tombstone {
            (Revision::ZERO, Version::ZERO)
        } else {
            let age = reader.varint()?.cast_signed();
            let create_revision = Revision::new(revision.main.get().wrapping_sub(age));
            (create_revision, Version::new(reader.varint()?.cast_signed()))
        };
        let lease = match flags & LEASED {
            0 => None,
            _ => Some(LeaseId::new(i64::from_le_bytes(reader.array()?))),
        };
        let key_bytes = reader.length()?;
        let key_start = reader.position();
        reader.take(key_bytes)?;
        let key_end = reader.position();
        let value_bytes = reader.length()?;
        Ok(Self {
            revision,
            create_revision,
            version,
            lease,
            tombstone,
            key_start,
            key_end,
            value_bytes,
        })
    }
}

/// Reads a revision above `before`.
fn read_revision(reader: &mut Reader<'_>, before: Option<RowRevision>) -> Result<RowRevision, Malformed> {
    const TOO_LARGE: Malformed = Malformed("has a revision that is too large");
    let step = reader.varint()?;
    let sub = u32::try_from(reader.varint()?).map_err(|_| TOO_LARGE)?;
    let Some(before) = before else {
        return Ok(RowRevision::new(Revision::new(step.cast_signed()), sub));
    };
    if step == 0 {
        let sub = before
            .sub
            .checked_add(1)
            .and_then(|next| next.checked_add(sub))
            .ok_or(TOO_LARGE)?;
        return Ok(RowRevision::new(before.main, sub));
    }
    let main = before.main.get().checked_add_unsigned(step).ok_or(TOO_LARGE)?;
    Ok(RowRevision::new(Revision::new(main), sub))
}
