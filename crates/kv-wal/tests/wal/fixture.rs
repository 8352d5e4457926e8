//! A directory that an earlier build wrote is read by this one.
//!
//! `v1` has every kind of record in two segments: entries 1 to 3 of 700 bytes; the vote, the committed
//! index and entries 4 to 6 of 500 bytes; a truncation after 5, a purge up to 2 and entries 6 and 7 of 90
//! bytes; closed in order. A new format version gets a directory beside it.

use std::path::Path;

use bytes::Bytes;
use kv_wal::faulty::FaultyStorage;

use crate::common::{Manual, entry};

fn load(version: &str) -> FaultyStorage {
    let storage = FaultyStorage::new();
    let directory = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/wal")
        .join(version);
    for item in std::fs::read_dir(directory).unwrap() {
        let path = item.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap();
        storage.replace(name, std::fs::read(&path).unwrap());
    }
    storage
}

#[test]
fn format_version_1_is_read_and_written_on() {
    let mut log = Manual::open(&load("v1"));
    assert_eq!(log.recovered.segments, 2);
    assert_eq!(log.recovered.repaired, []);
    let state = log.wal.state();
    assert_eq!((state.first, state.end), (3, 8));
    assert_eq!(state.vote, Some(Bytes::from_static(b"vote")));
    assert_eq!(state.committed, Some(Bytes::from_static(b"3")));
    assert_eq!(state.purged.unwrap().marker, Bytes::from_static(b"marker"));
    let wanted = [
        entry(3, 700),
        entry(4, 500),
        entry(5, 500),
        entry(6, 90),
        entry(7, 90),
    ];
    assert_eq!(log.wal.read(3..8, usize::MAX).unwrap(), wanted);
    log.append(8..30, 500).unwrap();
    assert_eq!(log.reopen().wal.range(), 3..30);
}
