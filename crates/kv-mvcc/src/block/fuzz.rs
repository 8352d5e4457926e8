use kv_fuzz::{Memory, Target};

use super::builder::EncodedBlock;
use super::part::{seal, unseal};
use super::tests::{decode, encode, rows};
use super::*;
use crate::Row;

/// Compressed bytes may become many times as many.
const MEMORY: Memory = Memory {
    fixed: 1 << 20,
    per_byte: 2000,
};

fn run(name: &str, encodings: Vec<Vec<u8>>, check: impl Fn(&[u8])) {
    let target = Target {
        name,
        package: env!("CARGO_MANIFEST_DIR"),
        encodings,
        memory: MEMORY,
    };
    target.run(check);
}

/// As they are stored: the checksum finds what is changed.
#[test]
fn stored_parts() {
    let block = encode(&rows());
    let id = block.block.id;
    let info = InfoRecord::encode(&block.block, &[1]);
    let encodings = vec![block.keys.to_vec(), block.values.to_vec(), info];
    run("part", encodings, |input| {
        if let Ok(keys) = Keys::decode(id, input) {
            keys.block(id, 0).unwrap();
        }
        let _ = Values::decode(id, input);
        let _ = InfoRecord::decode(id, input);
    });
}

/// Their contents, sealed after they were changed: rows that are read are read again from what is written of them.
#[test]
fn contents_of_parts() {
    let block = encode(&rows());
    let id = block.block.id;
    let body = |kind, stored: &[u8]| {
        let body = unseal(kind, id, stored).unwrap();
        body.bytes
    };
    let (keys, values) = (
        body(PartKind::Keys, &block.keys),
        body(PartKind::Values, &block.values),
    );
    let count = rows().len();
    run("contents", vec![keys, values], |input| {
        for count in [count, input.len()] {
            let keys = seal(PartKind::Keys, id.number, count, input);
            let values = seal(PartKind::Values, id.number, count, input);
            let _ = InfoRecord::decode(id, &seal(PartKind::Info, id.number, count, input));
            let _ = decode(id, &block.keys, &values);
            let _ = decode(id, &keys, &values);
            if let Ok(rows) = decode(id, &keys, &block.values)
                && let Some(again) = encode_what_fits(&rows)
            {
                assert_eq!(decode(again.block.id, &again.keys, &again.values), Ok(rows));
            }
        }
    });
}

/// Rows with revisions that no store gives do not fit into a block.
fn encode_what_fits(rows: &[Row]) -> Option<EncodedBlock> {
    let mut builder = BlockBuilder::default();
    for row in rows {
        if !builder.fits(row) {
            return None;
        }
        builder.push(row);
    }
    builder.finish(17)
}

#[test]
fn chunks() {
    let rows: Vec<_> = rows().into_iter().map(std::sync::Arc::new).collect();
    let chunk = encode_chunk(&rows).to_vec();
    run("chunk", vec![chunk], |input| {
        if let Ok(rows) = decode_chunk(input) {
            let again = encode_chunk(&rows.iter().cloned().map(std::sync::Arc::new).collect::<Vec<_>>());
            assert_eq!(decode_chunk(&again), Ok(rows));
        }
    });
}
