//! How much is written to segments beside the records: zeros just ahead of short writes, once.

use std::sync::Arc;

use bytes::Bytes;
use kv_wal::faulty::FaultyStorage;
use kv_wal::{DirStorage, Driver, Options, Storage, Wal};

use crate::common::{Outcome, contents, entry};

const PAGE: u64 = 4096;
const AHEAD: u64 = 128 << 10;
const SEGMENT: u64 = 1 << 20;

fn open(storage: &FaultyStorage) -> (Wal, Driver) {
    let options = Options {
        segment_bytes: SEGMENT,
        first_segment_bytes: SEGMENT,
        spare_segments: 2,
        ..Options::default()
    };
    let (wal, driver, _) = Wal::open_manual(Arc::new(storage.clone()), options).unwrap();
    (wal, driver)
}

/// Appends an entry of so many bytes and returns how many bytes that wrote.
fn append(storage: &FaultyStorage, wal: &Wal, driver: &mut Driver, length: usize) -> u64 {
    let before = storage.written();
    let index = wal.range().end.max(1);
    let outcome = Outcome::default();
    wal.append(vec![entry(index, length)], outcome.callback());
    while driver.step() {}
    outcome.get().unwrap().unwrap();
    storage.written() - before
}

#[test]
fn space_is_taken_without_writing_it_and_short_writes_fill_what_is_just_ahead() {
    let storage = FaultyStorage::new();
    let (wal, mut driver) = open(&storage);
    assert!(storage.written() <= AHEAD, "the segment was not filled");
    // Up to where the opening has filled, nothing is written but the pages of the records.
    for _ in 0..20 {
        assert!(append(&storage, &wal, &mut driver, 3000) <= 2 * PAGE);
    }
    let long = append(&storage, &wal, &mut driver, 200 << 10);
    assert!(
        long <= (200 << 10) + 3 * PAGE,
        "{long}: a long write needs no zeros"
    );
    let short = append(&storage, &wal, &mut driver, 5000);
    assert!((2 * PAGE..=AHEAD + 2 * PAGE).contains(&short), "{short}");
    assert!(append(&storage, &wal, &mut driver, 3000) <= 2 * PAGE);
    let whole = contents(&wal);
    drop((wal, driver));
    assert_eq!(contents(&open(&storage).0), whole);
}

#[test]
fn segments_that_are_used_again_are_not_filled_again() {
    let storage = FaultyStorage::new();
    let (wal, mut driver) = open(&storage);
    let mut round = |purge: bool| {
        let (mut written, segments) = (0, wal.stats().segments_begun);
        while wal.stats().segments_begun < segments + 3 {
            written += append(&storage, &wal, &mut driver, 3000);
            if purge {
                let outcome = Outcome::default();
                wal.purge(wal.range().end - 2, Bytes::new(), outcome.callback());
                while driver.step() {}
                outcome.get().unwrap().unwrap();
            }
        }
        written
    };
    round(true);
    let created = wal_created(&wal);
    let again = round(true);
    assert_eq!(wal_created(&wal), created);
    // Records of 3 KB write the page they begin in once more, and the page behind.
    assert!(again <= 3 * 3 * SEGMENT, "{again}");
}

fn wal_created(wal: &Wal) -> u64 {
    wal.stats().segments_created
}

#[test]
fn where_space_cannot_be_taken_segments_are_filled_before_they_are_used() {
    let storage = FaultyStorage::new();
    storage.allocate_nothing();
    let (wal, mut driver) = open(&storage);
    assert!(storage.written() >= SEGMENT);
    append(&storage, &wal, &mut driver, 200 << 10);
    assert!(append(&storage, &wal, &mut driver, 3000) <= 2 * PAGE);
    let whole = contents(&wal);
    drop((wal, driver));
    assert_eq!(contents(&open(&storage).0), whole);
}

#[test]
fn a_real_file_gets_its_length_and_reads_as_zeros() {
    let dir = tempfile::tempdir().unwrap();
    let file = DirStorage::open(dir.path()).unwrap().create("file").unwrap();
    if file.allocate(SEGMENT).unwrap() {
        let mut bytes = vec![1; 1 << 20];
        file.read_exact_at(&mut bytes, 0).unwrap();
        assert!(bytes.iter().all(|byte| *byte == 0));
        assert_eq!(file.length().unwrap(), SEGMENT);
    } else {
        assert_eq!(file.length().unwrap(), 0);
    }
}
