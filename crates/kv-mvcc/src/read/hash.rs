use kv_types::{KeyRange, LeaseId, Revision, RowRevision};

use super::Reader;
use crate::index::At;
use crate::rows::Caching;
use crate::{HashKv, RangeError, Row};

/// etcd's hash begins with the name of the bucket its rows are in.
const SEED: &[u8] = b"key";

impl Reader<'_> {
    /// etcd's hash of all rows up to a revision; it takes the last compaction as done.
    pub(crate) fn hash_kv(&self, at: Option<Revision>) -> Result<HashKv, RangeError> {
        let hash_revision = match self.at(at)? {
            At::Latest => self.revision,
            At::Past(revision) => revision,
        };
        let compact_revision = self.state.compacted_or_before();
        // etcd leaves a compacted row out if its key has changed since, but not if no key at all is left.
        let any_live = self.state.index.count(&KeyRange::all(), At::Past(hash_revision)) > 0;
        let survives_at = if any_live { hash_revision } else { compact_revision };
        let mut hash = crc32c::crc32c(SEED);
        let mut bytes = Vec::new();
        let after = RowRevision::first_of(hash_revision.next());
        for row in self
            .rows
            .iter(RowRevision::default(), Some(after), Caching::Bypass)
        {
            let row = row?;
            if row.revision.main > compact_revision || self.is_live_at(&row, survives_at) {
                bytes.clear();
                encode_row(&row, &mut bytes);
                hash = crc32c::crc32c_append(hash, &bytes);
            }
        }
        Ok(HashKv {
            hash,
            compact_revision,
            hash_revision,
            revision: self.revision,
        })
    }

    fn is_live_at(&self, row: &Row, revision: Revision) -> bool {
        let live = self.state.index.live(&row.key, At::Past(revision));
        live.is_some_and(|version| version.revision() == row.revision)
    }
}

/// Appends a row as etcd stores it:
///
/// | bytes | content |
/// |---|---|
/// | 8 | main revision, i64 big endian |
/// | 1 | `_` |
/// | 8 | sub revision, i64 big endian |
/// | 0 or 1 | `t` for a tombstone |
/// | rest | the key and value as protobuf: fields in the order of numbers, those that are zero or empty left out; a tombstone has its key alone |
///
/// Fields: 1 key, 2 create revision, 3 mod revision, 4 version, 5 value, 6 lease.
fn encode_row(row: &Row, to: &mut Vec<u8>) {
    to.extend(row.revision.main.get().to_be_bytes());
    to.push(b'_');
    to.extend(i64::from(row.revision.sub).to_be_bytes());
    if row.tombstone {
        to.push(b't');
        bytes_field(1, &row.key, to);
        return;
    }
    bytes_field(1, &row.key, to);
    int_field(2, row.create_revision.get(), to);
    int_field(3, row.revision.main.get(), to);
    int_field(4, row.version.get(), to);
    bytes_field(5, &row.value, to);
    int_field(6, LeaseId::to_wire(row.lease), to);
}

/// A length-delimited field (wire type 2).
fn bytes_field(number: u8, bytes: &[u8], to: &mut Vec<u8>) {
    if !bytes.is_empty() {
        to.push(number << 3 | 2);
        varint(bytes.len() as u64, to);
        to.extend(bytes);
    }
}

/// A varint field (wire type 0); a negative number takes ten bytes.
fn int_field(number: u8, value: i64, to: &mut Vec<u8>) {
    if value != 0 {
        to.push(number << 3);
        varint(value.cast_unsigned(), to);
    }
}

/// Seven bits a byte, the lowest first; the top bit says that more follow.
fn varint(mut value: u64, to: &mut Vec<u8>) {
    loop {
        let [low, ..] = value.to_le_bytes();
        value >>= 7;
        if value == 0 {
            to.push(low & 0x7f);
            return;
        }
        to.push(low | 0x80);
    }
}
