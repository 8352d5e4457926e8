//! Rows as etcd stores them in its `key` bucket.
//!
//! | bytes of the key | content |
//! |---|---|
//! | 8 | main revision, i64 big endian |
//! | 1 | `_` |
//! | 8 | sub revision, i64 big endian |
//! | 0 or 1 | `t` for a tombstone |
//!
//! The value is the key and value as protobuf: fields in the order of numbers, those that are zero or empty left out;
//! a tombstone has its key alone. Fields: 1 key, 2 create revision, 3 mod revision, 4 version, 5 value, 6 lease.

use bytes::Bytes;
use kv_types::{LeaseId, Revision, RowRevision, Version};

use crate::Row;

/// What an entry of etcd's `key` bucket says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EtcdEntry {
    /// A row.
    Row(Row),
    /// No row, but that the store is at this revision: what a restore that raises the revision leaves.
    Revision(Revision),
}

impl Row {
    /// Appends the key under which etcd stores the row.
    pub fn write_etcd_key(&self, to: &mut Vec<u8>) {
        to.extend(self.revision.main.get().to_be_bytes());
        to.push(b'_');
        to.extend(i64::from(self.revision.sub).to_be_bytes());
        if self.tombstone {
            to.push(b't');
        }
    }

    /// Appends the value that etcd stores for the row.
    pub fn write_etcd_value(&self, to: &mut Vec<u8>) {
        bytes_field(1, &self.key, to);
        if self.tombstone {
            return;
        }
        int_field(2, self.create_revision.get(), to);
        int_field(3, self.revision.main.get(), to);
        int_field(4, self.version.get(), to);
        bytes_field(5, &self.value, to);
        int_field(6, LeaseId::to_wire(self.lease), to);
    }
}

impl EtcdEntry {
    /// Reads an entry.
    ///
    /// # Errors
    /// What is wrong with it. One that would not be written alike is wrong: its hash would be another.
    pub fn decode(key: &[u8], value: &[u8]) -> Result<Self, String> {
        let (revision, tombstone) = decode_key(key).ok_or("its key is no revision")?;
        if value.is_empty() && !tombstone {
            return Ok(Self::Revision(revision.main));
        }
        let mut row = Row::tombstone(revision, Bytes::new());
        row.tombstone = tombstone;
        decode_value(value, &mut row).ok_or("its value is no key and value")?;
        check(&row)?;
        let (mut same_key, mut same_value) = (Vec::new(), Vec::new());
        row.write_etcd_key(&mut same_key);
        row.write_etcd_value(&mut same_value);
        if same_key != key || same_value != value {
            return Err("its value has more than a key and value, or is of another revision".into());
        }
        Ok(Self::Row(row))
    }
}

/// What every row that was ever put fulfils.
fn check(row: &Row) -> Result<(), String> {
    if row.key.is_empty() {
        return Err("it has no key".into());
    }
    let (created, main) = (row.create_revision, row.revision.main);
    if !row.tombstone && (created <= Revision::ZERO || created > main || row.version <= Version::ZERO) {
        return Err(format!(
            "it is version {} since revision {created}, at revision {main}",
            row.version.get()
        ));
    }
    Ok(())
}

fn decode_key(key: &[u8]) -> Option<(RowRevision, bool)> {
    let (revision, tombstone) = match key {
        [revision @ .., b't'] if key.len() == 18 => (revision, true),
        revision => (revision, false),
    };
    let revision: &[u8; 17] = revision.try_into().ok()?;
    let number = |at: usize| i64::from_be_bytes(std::array::from_fn(|i| revision[at + i]));
    let sub = u32::try_from(number(9)).ok()?;
    // No store is at the last number there is: the next one would have none.
    let fits = revision[8] == b'_' && (1..i64::MAX).contains(&number(0));
    fits.then(|| (RowRevision::new(Revision::new(number(0)), sub), tombstone))
}

fn decode_value(mut value: &[u8], row: &mut Row) -> Option<()> {
    while !value.is_empty() {
        match take_varint(&mut value)? {
            0x0a => row.key = take_bytes(&mut value)?,
            0x10 => row.create_revision = Revision::new(take_int(&mut value)?),
            0x18 if take_int(&mut value)? == row.revision.main.get() => {}
            0x20 => row.version = Version::new(take_int(&mut value)?),
            0x2a => row.value = take_bytes(&mut value)?,
            0x30 => row.lease = LeaseId::from_wire(take_int(&mut value)?),
            _ => return None,
        }
    }
    Some(())
}

fn take_varint(bytes: &mut &[u8]) -> Option<u64> {
    let mut number = 0;
    for shift in (0..64).step_by(7) {
        let (&byte, rest) = bytes.split_first()?;
        *bytes = rest;
        number |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            return Some(number);
        }
    }
    None
}

fn take_int(bytes: &mut &[u8]) -> Option<i64> {
    take_varint(bytes).map(u64::cast_signed)
}

fn take_bytes(bytes: &mut &[u8]) -> Option<Bytes> {
    let length = usize::try_from(take_varint(bytes)?).ok()?;
    let (taken, rest) = bytes.split_at_checked(length)?;
    *bytes = rest;
    Some(Bytes::copy_from_slice(taken))
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn encode(row: &Row) -> (Vec<u8>, Vec<u8>) {
        let (mut key, mut value) = (Vec::new(), Vec::new());
        row.write_etcd_key(&mut key);
        row.write_etcd_value(&mut value);
        (key, value)
    }

    fn row() -> Row {
        Row {
            key: "k".into(),
            value: "v".into(),
            create_revision: Revision::new(5),
            version: Version::new(2),
            lease: LeaseId::from_wire(-7),
            tombstone: false,
            ..Row::tombstone(RowRevision::new(Revision::new(300), 1), Bytes::new())
        }
    }

    #[test]
    fn rows_and_tombstones_read_back() {
        let tombstone = Row::tombstone(RowRevision::new(Revision::new(7), 0), "k".into());
        for row in [row(), tombstone] {
            let (key, value) = encode(&row);
            assert_eq!(EtcdEntry::decode(&key, &value), Ok(EtcdEntry::Row(row)));
        }
        let (key, _) = encode(&row());
        let revision = EtcdEntry::Revision(Revision::new(300));
        assert_eq!(EtcdEntry::decode(&key, &[]), Ok(revision));
    }

    #[test]
    fn what_would_be_written_otherwise_is_refused() {
        let (key, value) = encode(&row());
        let with_more = [&value[..], &[0x38, 1]].concat();
        let (other_key, _) = encode(&Row {
            revision: RowRevision::new(Revision::new(301), 1),
            ..row()
        });
        let no_version = encode(&Row {
            version: Version::ZERO,
            ..row()
        });
        for (key, value) in [
            (&key[..], &with_more[..]),
            (&other_key[..], &value[..]),
            (&key[..16], &value[..]),
            (&key[..], &no_version.1[..]),
        ] {
            EtcdEntry::decode(key, value).unwrap_err();
        }
    }

    proptest! {
        #[test]
        fn bytes_of_any_kind_are_refused_at_worst(key: Vec<u8>, value: Vec<u8>, cut in 0_usize..40, flip: u8) {
            let _ = EtcdEntry::decode(&key, &value);
            let (key, mut value) = encode(&row());
            let at = cut % value.len();
            value[at] ^= flip;
            let _ = EtcdEntry::decode(&key, &value);
            let _ = EtcdEntry::decode(&key, &value[..at]);
        }
    }
}
