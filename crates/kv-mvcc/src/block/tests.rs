use std::sync::Arc;

use bytes::Bytes;
use kv_types::{LeaseId, Revision, RowRevision, Version};
use proptest::prelude::*;

use super::builder::EncodedBlock;
use super::damaged::Damaged;
use super::*;
use crate::Row;

fn put(main: i64, sub: u32, key: &str, value: &[u8]) -> Row {
    Row {
        revision: RowRevision::new(Revision::new(main), sub),
        key: Bytes::copy_from_slice(key.as_bytes()),
        value: Bytes::copy_from_slice(value),
        create_revision: Revision::new(main - 1),
        version: Version::new(2),
        lease: None,
        tombstone: false,
    }
}

/// One row of each kind, some that pack well.
pub(super) fn rows() -> Vec<Row> {
    let leased = Row {
        lease: Some(LeaseId::new(-7)),
        ..put(5, 0, "leased", b"v")
    };
    let tombstone = Row::tombstone(RowRevision::new(Revision::new(5), 1), "gone".into());
    let last = put(1 << 32, 9, "far away", &[b'x'; 300]);
    vec![
        put(2, 0, "a", b""),
        put(4, 3, "b", &[b'y'; 200]),
        leased,
        tombstone,
        put(5, 7, "", b"1"),
        last,
    ]
}

pub(super) fn encode(rows: &[Row]) -> EncodedBlock {
    let mut builder = BlockBuilder::default();
    for row in rows {
        assert!(builder.fits(row));
        builder.push(row);
    }
    builder.finish(17).unwrap()
}

pub(super) fn decode(id: BlockId, keys: &[u8], values: &[u8]) -> Result<Vec<Row>, Damaged> {
    let keys = Keys::decode(id, keys)?;
    let values = Values::decode(id, values)?;
    keys.check_values(id, &values)?;
    let rows = keys.rows().iter().enumerate();
    Ok(rows
        .map(|(at, row)| keys.row(row, keys.key(row), values.value(at)))
        .collect())
}

#[test]
fn rows_of_every_kind_come_back() {
    let encoded = encode(&rows());
    let id = encoded.block.id;
    assert_eq!(decode(id, &encoded.keys, &encoded.values), Ok(rows()));
    assert!(encoded.values.len() < 100, "values that repeat are packed");

    let keys = Keys::decode(id, &encoded.keys).unwrap();
    assert_eq!(keys.block(id, encoded.block.stored_bytes), Ok(encoded.block));
    let metas: Vec<_> = keys.rows().iter().map(|row| keys.meta(row)).collect();
    assert_eq!(metas, rows().iter().map(Row::meta).collect::<Vec<_>>());
}

#[test]
fn a_block_finds_its_rows_and_no_others() {
    let block = encode(&rows()).block;
    for (at, row) in rows().iter().enumerate() {
        assert_eq!(block.find(row.revision), Some(at));
        assert_eq!(block.revision(at), row.revision);
        assert_eq!(
            block.row_bytes(at),
            row_bytes(row.key.len(), row.value.len()) as u64
        );
    }
    for (main, sub) in [
        (1, 0),
        (2, 1),
        (3, 0),
        (5, 2),
        (1 << 32, 8),
        ((1 << 32) + 1, 0),
        (i64::MAX, 0),
    ] {
        assert_eq!(block.find(RowRevision::new(Revision::new(main), sub)), None);
    }
    assert_eq!(
        block.raw_bytes,
        (0..block.rows()).map(|at| block.row_bytes(at)).sum::<u64>()
    );
    assert_eq!(block.last(), rows().last().unwrap().revision);
}

#[test]
fn a_row_larger_than_a_block_has_one_alone() {
    let large = put(3, 0, "large", &vec![7; 3 * BLOCK_BYTES_MAX]);
    let encoded = encode(std::slice::from_ref(&large));
    assert_eq!(encoded.block.row_bytes(0), encoded.block.raw_bytes);
    assert_eq!(
        decode(encoded.block.id, &encoded.keys, &encoded.values),
        Ok(vec![large.clone()])
    );

    let mut builder = BlockBuilder::default();
    builder.push(&large);
    assert!(!builder.fits(&put(4, 0, "b", b"")));
    let mut builder = BlockBuilder::default();
    builder.push(&put(2, 0, "a", b""));
    assert!(!builder.fits(&large));
    assert!(!builder.fits(&put(3 << 32, 0, "far", b"")));
}

#[test]
fn an_info_record_comes_back() {
    let block = encode(&rows()).block;
    for dead in [vec![], vec![0b10_0001]] {
        let record = InfoRecord::decode(block.id, &InfoRecord::encode(&block, &dead)).unwrap();
        let (raw_bytes, stored_bytes) = (block.raw_bytes, block.stored_bytes);
        assert_eq!(
            record,
            InfoRecord {
                rows: block.rows(),
                raw_bytes,
                stored_bytes,
                dead
            }
        );
    }
    let beyond_the_last_row = InfoRecord::encode(&block, &[0b100_0000]);
    assert!(InfoRecord::decode(block.id, &beyond_the_last_row).is_err());
}

/// What reading `parts` as the parts of the block gives, as a debug string of rows and info.
fn read_all(id: BlockId, parts: &[Vec<u8>; 3]) -> Result<String, Damaged> {
    let info = InfoRecord::decode(id, &parts[2])?;
    Ok(format!("{:?} {info:?}", decode(id, &parts[0], &parts[1])?))
}

fn all_parts(rows: &[Row]) -> (BlockId, [Vec<u8>; 3]) {
    let encoded = encode(rows);
    let info = InfoRecord::encode(&encoded.block, &[1]);
    (encoded.block.id, [encoded.keys, encoded.values, info])
}

#[test]
fn every_flipped_bit_and_every_cut_is_damage_that_names_the_block() {
    let (id, parts) = all_parts(&rows());
    let check = |parts: &[Vec<u8>; 3]| {
        let damaged = read_all(id, parts).unwrap_err();
        assert_eq!(damaged.block, id);
        assert!(damaged.to_string().contains("block 17 from row 2/0"), "{damaged}");
    };
    read_all(id, &parts).unwrap();
    for part in 0..parts.len() {
        for at in 0..parts[part].len() {
            let mut cut = parts.clone();
            cut[part].truncate(at);
            check(&cut);
            for bit in 0..8 {
                let mut flipped = parts.clone();
                flipped[part][at] ^= 1 << bit;
                check(&flipped);
            }
        }
    }
}

#[test]
fn a_part_under_the_name_of_another_block_is_damage() {
    let (id, parts) = all_parts(&rows());
    let other_number = BlockId { number: 18, ..id };
    let other_first = BlockId {
        first: RowRevision::last_of(Revision::new(2)),
        ..id
    };
    assert!(Keys::decode(other_number, &parts[0]).is_err());
    assert!(Keys::decode(other_first, &parts[0]).is_err());
    assert!(Values::decode(other_number, &parts[1]).is_err());
    assert!(InfoRecord::decode(other_number, &parts[2]).is_err());
    assert!(
        Values::decode(id, &parts[0]).is_err(),
        "a keys part is no values part"
    );

    let (_, other) = all_parts(&[put(2, 0, "a", b"longer")]);
    assert!(
        decode(id, &parts[0], &other[1]).is_err(),
        "values of other rows do not fit"
    );
}

/// Written by the first build that had this format.
#[test]
fn a_block_of_format_1_is_read_for_ever() {
    let id = BlockId {
        first: RowRevision::first_of(Revision::new(2)),
        number: 17,
    };
    let keys = include_bytes!("../../fixtures/block-format-1.keys");
    let values = include_bytes!("../../fixtures/block-format-1.values");
    assert_eq!(decode(id, keys, values), Ok(rows()));
    let info = InfoRecord::decode(id, include_bytes!("../../fixtures/block-format-1.info")).unwrap();
    assert_eq!((info.rows, info.dead), (6, vec![1]));
    let chunk = include_bytes!("../../fixtures/chunk-format-1");
    assert_eq!(decode_chunk(chunk), Ok(rows()));
}

#[test]
fn chunks_of_equal_rows_are_equal_and_come_back() {
    let shared: Vec<_> = rows().into_iter().map(Arc::new).collect();
    let chunk = encode_chunk(&shared);
    assert_eq!(chunk, encode_chunk(&shared));
    assert_eq!(decode_chunk(&chunk), Ok(rows()));
    assert_eq!(decode_chunk(&encode_chunk(&[])), Ok(vec![]));
    for length in 1..chunk.len() {
        assert!(decode_chunk(&chunk[..length]).is_err());
    }
}

prop_compose! {
    fn any_row()(
        (step, sub) in (0..3i64, 0..3u32),
        key in prop::collection::vec(any::<u8>(), 0..8),
        value in prop::collection::vec(0..3u8, 0..40),
        (create, version, lease) in (any::<i64>(), any::<i64>(), any::<Option<i64>>()),
        tombstone: bool,
    ) -> Row {
        let revision = RowRevision::new(Revision::new(step), sub);
        if tombstone {
            return Row::tombstone(revision, key.into());
        }
        Row {
            revision,
            key: key.into(),
            value: value.into(),
            create_revision: Revision::new(create),
            version: Version::new(version),
            lease: lease.map(LeaseId::new),
            tombstone,
        }
    }
}

fn any_rows() -> impl Strategy<Value = Vec<Row>> {
    let place = |rows: Vec<Row>| {
        let mut last = RowRevision::first_of(Revision::new(1));
        let place = |mut row: Row| {
            let RowRevision { main: step, sub } = row.revision;
            last = match step.get() {
                0 => RowRevision::new(last.main, last.sub + 1 + sub),
                step => RowRevision::new(Revision::new(last.main.get() + step), sub),
            };
            row.revision = last;
            row
        };
        rows.into_iter().map(place).collect()
    };
    prop::collection::vec(any_row(), 1..40).prop_map(place)
}

proptest! {
    #[test]
    fn any_rows_come_back(rows in any_rows()) {
        let encoded = encode(&rows);
        let keys = Keys::decode(encoded.block.id, &encoded.keys).unwrap();
        prop_assert_eq!(&keys.block(encoded.block.id, encoded.block.stored_bytes).unwrap(), &encoded.block);
        let read_back = Values::decode(encoded.block.id, &encoded.values).unwrap();
        prop_assert_eq!(format!("{read_back:?}"), format!("{:?}", encoded.decoded_values));
        prop_assert_eq!(decode(encoded.block.id, &encoded.keys, &encoded.values), Ok(rows));
    }

    /// Damage that the checksum cannot see: the bytes are sealed after they were changed.
    #[test]
    fn no_body_makes_reading_panic(
        rows in any_rows(),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..4),
        count in prop_oneof![0..50usize, Just(u32::MAX as usize)],
        noise in prop::collection::vec(any::<u8>(), 0..60),
    ) {
        let encoded = encode(&rows);
        let id = encoded.block.id;
        let parts = [(PartKind::Keys, &encoded.keys), (PartKind::Values, &encoded.values)];
        for (kind, stored) in parts {
            let mut body = part::unseal(kind, id, stored).unwrap().bytes;
            for (at, byte) in &changes {
                let at = at.index(body.len());
                body[at] = *byte;
            }
            for body in [&body, &noise] {
                for count in [rows.len(), count] {
                    let forged = part::seal(kind, id.number, count, body);
                    if let Ok(keys) = Keys::decode(id, &forged) {
                        let _ = keys.block(id, 0);
                        let _ = decode(id, &forged, &encoded.values);
                    }
                    let _ = decode(id, &encoded.keys, &forged);
                }
            }
        }
        let _ = InfoRecord::decode(id, &part::seal(PartKind::Info, id.number, count, &noise));
        let _ = decode_chunk(&noise);
        let _ = Keys::decode(id, &noise);
    }
}
