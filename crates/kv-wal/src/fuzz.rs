use std::sync::Arc;

use bytes::Bytes;
use kv_fuzz::{Memory, Target};

use crate::faulty::FaultyStorage;
use crate::format::{HeaderRead, SegmentHeader, decode, decode_state};
use crate::{Driver, Entry, Options, Storage, Wal};

fn target(name: &'static str, encodings: Vec<Vec<u8>>, memory: Memory) -> Target<'static> {
    Target {
        name,
        package: env!("CARGO_MANIFEST_DIR"),
        encodings,
        memory,
    }
}

fn options() -> Options {
    Options {
        segment_bytes: 4096,
        first_segment_bytes: 4096,
        spare_segments: 0,
        cache_bytes: 0,
        ..Options::default()
    }
}

fn open(storage: &FaultyStorage) -> Option<(Wal, Driver)> {
    let (wal, driver, _) = Wal::open_manual(Arc::new(storage.clone()), options()).ok()?;
    Some((wal, driver))
}

fn payload(index: u64) -> Bytes {
    vec![index.to_le_bytes()[0]; 300].into()
}

/// Some segments with all kinds of records.
fn written() -> FaultyStorage {
    let storage = FaultyStorage::new();
    let (wal, mut driver) = open(&storage).unwrap();
    let mut append = |indexes: std::ops::Range<u64>| {
        let entries = indexes.map(|index| Entry {
            index,
            payload: payload(index),
        });
        wal.append(entries.collect(), Box::new(|result| result.unwrap()));
        while driver.step() {}
    };
    append(1..6);
    wal.save_vote(Bytes::from_static(b"vote"), Box::new(|result| result.unwrap()));
    wal.save_committed(Bytes::from_static(b"3")).unwrap();
    append(6..20);
    wal.truncate_after(Some(15), Box::new(|result| result.unwrap()));
    append(16..25);
    storage
}

fn segments(storage: &FaultyStorage) -> Vec<String> {
    let mut names = storage.list().unwrap();
    names.retain(|name| name.starts_with("wal-"));
    names.sort();
    names
}

/// A segment that was changed is refused, or what is read of the log is what was written.
#[test]
fn segment_files() {
    let storage = written();
    let names = segments(&storage);
    let files: Vec<Vec<u8>> = names.iter().map(|name| storage.contents(name).unwrap()).collect();
    let memory = Memory {
        fixed: 4 << 20,
        per_byte: 200,
    };
    target("segment", files.clone(), memory).run(|input| {
        for name in &names {
            let copy = storage.copy();
            copy.replace(name, input.to_vec());
            let Some((wal, _driver)) = open(&copy) else {
                continue;
            };
            let Ok(entries) = wal.read(wal.range(), usize::MAX) else {
                continue;
            };
            for entry in entries {
                assert_eq!(entry.payload, payload(entry.index), "entry {}", entry.index);
            }
        }
    });
}

/// Records at the very place they were written to, the header of a segment, and the state in it.
#[test]
fn records() {
    let storage = written();
    let first = storage.contents(&segments(&storage)[0]).unwrap();
    let HeaderRead::Valid(header) = SegmentHeader::decode(&first) else {
        panic!("a segment begins with a header");
    };
    let mut encodings = vec![header.encode().to_vec()];
    let mut places = Vec::new();
    let mut offset = crate::format::FIRST_RECORD;
    while let Ok(at) = usize::try_from(offset)
        && let Some(found) = decode(&first[at..], header.number, offset)
    {
        places.push(offset);
        let end = usize::try_from(found.end()).unwrap();
        encodings.push(first[at..end].to_vec());
        encodings.push(found.payload.to_vec());
        offset = found.end();
    }
    assert!(places.len() > 5, "{places:?}");
    let memory = Memory {
        fixed: 4096,
        per_byte: 10,
    };
    target("record", encodings, memory).run(|input| {
        if let HeaderRead::Valid(header) = SegmentHeader::decode(input) {
            assert!(matches!(
                SegmentHeader::decode(&header.encode()),
                HeaderRead::Valid(_)
            ));
        }
        for offset in &places {
            if let Some(found) = decode(input, header.number, *offset) {
                assert!(found.payload.len() < input.len());
            }
        }
        if let Some(state) = decode_state(input) {
            assert!(state.first <= state.end);
        }
    });
}
