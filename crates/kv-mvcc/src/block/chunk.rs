use std::sync::Arc;

use bytes::Bytes;
use kv_types::RowRevision;

use super::damaged::{Damaged, Malformed};
use super::keys::write_row;
use super::part::{self, PartKind};
use super::values::{Values, ValuesBuilder};
use super::varint::Reader;
use super::{BlockId, Keys};
use crate::Row;

/// What the parts of a chunk are numbered: it is no block of any store.
const NAMELESS: BlockId = BlockId {
    first: RowRevision::first_of(kv_types::Revision::ZERO),
    number: 0,
};

/// Rows in revision order on their way to another member: the length of the keys part (4 bytes), the keys
/// part, the values part. Equal rows give equal bytes. Empty if there are no rows.
pub(crate) fn encode_chunk(rows: &[Arc<Row>]) -> Bytes {
    if rows.is_empty() {
        return Bytes::new();
    }
    let (mut keys, mut values, mut last) = (Vec::new(), ValuesBuilder::default(), None);
    for row in rows {
        write_row(&mut keys, row, last);
        values.push(&row.value);
        last = Some(row.revision);
    }
    let keys = part::seal(PartKind::Keys, NAMELESS.number, rows.len(), &keys);
    let (_, values) = values.finish(NAMELESS.number);
    let keys_bytes = u32::try_from(keys.len()).expect("a chunk holds rows of some 64 KiB or one row");
    let mut chunk = Vec::with_capacity(4 + keys.len() + values.len());
    chunk.extend_from_slice(&keys_bytes.to_le_bytes());
    chunk.extend_from_slice(&keys);
    chunk.extend_from_slice(&values);
    chunk.into()
}

/// The rows of a chunk, each in memory of its own.
pub(crate) fn decode_chunk(chunk: &[u8]) -> Result<Vec<Row>, Damaged> {
    if chunk.is_empty() {
        return Ok(Vec::new());
    }
    let (stored_keys, stored_values) =
        split(chunk).map_err(|malformed| malformed.of(NAMELESS, PartKind::Keys))?;
    let (keys, id) = Keys::decode_of_chunk(stored_keys, NAMELESS)?;
    let values = Values::decode(id, stored_values)?;
    keys.check_values(id, &values)?;
    let rows = keys.rows().iter().enumerate().map(|(at, row)| {
        let key = Bytes::copy_from_slice(&keys.key(row));
        keys.row(row, key, Bytes::copy_from_slice(&values.value(at)))
    });
    Ok(rows.collect())
}

fn split(chunk: &[u8]) -> Result<(&[u8], &[u8]), Malformed> {
    let mut reader = Reader::new(chunk);
    let keys_bytes = u32::from_le_bytes(reader.array()?);
    let keys_bytes = usize::try_from(keys_bytes).map_err(|_| Malformed("length too large"))?;
    Ok((reader.take(keys_bytes)?, reader.rest()))
}
