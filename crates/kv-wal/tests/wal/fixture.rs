//! A directory that an earlier build wrote is read, and this build writes the same bytes.

use std::path::{Path, PathBuf};

use bytes::Bytes;
use kv_wal::Storage;
use kv_wal::faulty::FaultyStorage;

use crate::common::{Manual, entry};

fn directory() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/wal/v1")
}

/// The requests behind the fixture: every kind of record, two segments, closed in order.
fn write() -> FaultyStorage {
    let mut log = Manual::open(&FaultyStorage::new());
    log.append(1..4, 700).unwrap();
    log.wal
        .save_vote(Bytes::from_static(b"vote"), Box::new(|result| result.unwrap()));
    log.wal.save_committed(Bytes::from_static(b"3")).unwrap();
    log.append(4..7, 500).unwrap();
    log.wal
        .truncate_after(Some(5), Box::new(|result| result.unwrap()));
    log.wal.purge(
        2,
        Bytes::from_static(b"marker"),
        Box::new(|result| result.unwrap()),
    );
    log.append(6..8, 90).unwrap();
    log.close()
}

fn read() -> Vec<(String, Vec<u8>)> {
    let mut files = Vec::new();
    for item in std::fs::read_dir(directory()).unwrap() {
        let path = item.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        files.push((name, std::fs::read(path).unwrap()));
    }
    files.sort();
    files
}

#[test]
fn format_version_1_is_read() {
    let storage = FaultyStorage::new();
    for (name, bytes) in read() {
        storage.replace(&name, bytes);
    }
    let log = Manual::open(&storage);
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
}

#[test]
fn format_version_1_is_what_is_written() {
    let storage = write();
    let mut written = Vec::new();
    for name in storage.list().unwrap() {
        if name.starts_with("wal-") {
            let bytes = storage.contents(&name).unwrap();
            written.push((name, bytes));
        }
    }
    written.sort();
    assert!(
        written == read(),
        "other bytes are another format: give it a new version and a new fixture"
    );
}
