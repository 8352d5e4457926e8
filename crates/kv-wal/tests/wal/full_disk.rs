//! Full disks and failing syncs: refused requests say why, the rest goes on.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use kv_wal::faulty::FaultyStorage;
use kv_wal::{Health, Options, Storage, Wal, WriteError};

use crate::common::{Manual, Outcome, contents, entry, small};

/// Appends until the disk is full; returns the next index.
fn fill(log: &mut Manual) -> u64 {
    let mut next = log.wal.range().end.max(1);
    while log.append(next..next + 1, 600).is_ok() {
        next += 1;
    }
    next
}

#[test]
fn a_full_disk_refuses_appends_keeps_reads_and_recovers_with_space() {
    let mut log = Manual::open(&FaultyStorage::new());
    log.append(1..5, 600).unwrap();
    log.storage.set_free(Some(10_000));
    let next = fill(&mut log);
    assert!(next > 10, "one more segment had room");
    let error = log.append(next..next + 1, 600).unwrap_err();
    assert!(error.is_no_space(), "{error}");
    assert!(
        error
            .to_string()
            .starts_with("no space left on disk to create log segment new-"),
        "{error}"
    );
    assert_eq!(log.wal.health(), Health::DiskFull);
    assert_eq!(log.wal.range(), 1..next);
    let whole = log.contents();
    assert!(
        !log.storage
            .list()
            .unwrap()
            .iter()
            .any(|name| name.starts_with("new-"))
    );

    let mut log = log.reopen();
    assert_eq!(log.contents(), whole, "opens on the full disk");
    assert!(log.append(next..next + 1, 600).is_err());
    log.storage.set_free(None);
    log.append(next..next + 9, 600).unwrap();
    assert_eq!(log.wal.health(), Health::Good);
    assert_eq!(log.reopen().wal.range(), 1..next + 9);
}

#[test]
fn a_failure_ends_all_that_waits_behind_it() {
    let mut log = Manual::open(&FaultyStorage::new());
    log.storage.set_free(Some(0));
    let next = fill(&mut log);
    let outcomes: Vec<Outcome> = (0..4).map(|_| Outcome::default()).collect();
    log.wal.append(vec![entry(next, 600)], outcomes[0].callback());
    log.wal.append(vec![entry(next + 1, 600)], outcomes[1].callback());
    log.wal.truncate_after(Some(next - 3), outcomes[2].callback());
    log.wal
        .save_vote(Bytes::from_static(b"v"), outcomes[3].callback());
    assert_eq!(log.wal.range(), 1..next - 2);
    assert_eq!(log.wal.read(next - 3..next, 9000).unwrap().len(), 1);
    log.step_all();
    for outcome in outcomes {
        assert!(outcome.get().unwrap().unwrap_err().is_no_space());
    }
    assert_eq!(log.wal.range(), 1..next, "back to what is durable");
    assert_eq!(log.wal.state().vote, None);
    contents(&log.wal);
}

#[test]
fn purging_makes_room_on_a_full_disk() {
    let mut log = Manual::open(&FaultyStorage::new());
    log.storage.set_free(Some(40_000));
    let next = fill(&mut log);
    let outcome = Outcome::default();
    log.wal
        .purge(next - 2, Bytes::from_static(b"m"), outcome.callback());
    log.step_all();
    outcome.get().unwrap().unwrap();
    log.append(next..next + 5, 600).unwrap();
    assert_eq!(log.wal.range(), next - 1..next + 5);
}

#[test]
fn votes_are_saved_on_a_full_disk() {
    let mut log = Manual::open(&FaultyStorage::new());
    log.storage.set_free(Some(0));
    for length in [1500, 600, 200, 50, 1, 0] {
        while log
            .append(log.wal.range().end.max(1)..log.wal.range().end.max(1) + 1, length)
            .is_ok()
        {}
    }
    let outcome = Outcome::default();
    log.wal
        .save_vote(Bytes::from_static(b"term 7"), outcome.callback());
    log.step_all();
    outcome.get().unwrap().unwrap();
    assert_eq!(log.reopen().wal.state().vote, Some(Bytes::from_static(b"term 7")));
}

#[test]
fn requests_can_wait_for_space_instead() {
    let storage = FaultyStorage::new();
    let options = Options {
        full_disk_retry: Some(Duration::from_secs(1)),
        ..small()
    };
    let (wal, mut driver, _) = Wal::open_manual(Arc::new(storage.clone()), options).unwrap();
    storage.set_free(Some(0));
    let outcomes: Vec<Outcome> = (0..20).map(|_| Outcome::default()).collect();
    for (index, outcome) in (1..).zip(&outcomes) {
        wal.append(vec![entry(index, 600)], outcome.callback());
    }
    for _ in 0..3 {
        driver.step();
    }
    assert_eq!(wal.health(), Health::DiskFull);
    assert!(matches!(outcomes[0].get(), Some(Ok(()))), "it fitted");
    assert!(outcomes[19].get().is_none());
    assert_eq!(wal.range(), 1..21, "readable while it waits");
    wal.save_vote(Bytes::from_static(b"v"), Box::new(|result| result.unwrap()));
    storage.set_free(None);
    while driver.step() {}
    assert!(
        outcomes
            .iter()
            .all(|outcome| matches!(outcome.get(), Some(Ok(()))))
    );
    assert_eq!(wal.health(), Health::Good);
    let whole = contents(&wal);
    drop((wal, driver));
    assert_eq!(Manual::open(&storage).contents(), whole);
}

#[test]
fn closing_does_not_wait_for_space() {
    let storage = FaultyStorage::new();
    let options = Options {
        full_disk_retry: Some(Duration::from_secs(1)),
        ..small()
    };
    let (wal, mut driver, _) = Wal::open_manual(Arc::new(storage.clone()), options).unwrap();
    storage.set_free(Some(0));
    let outcome = Outcome::default();
    wal.append(vec![entry(1, 9000)], outcome.callback());
    driver.step();
    assert!(outcome.get().is_none());
    wal.close().unwrap();
    driver.step();
    assert!(outcome.get().unwrap().unwrap_err().is_no_space());
    assert!(wal.close().unwrap_err().is_no_space());
}

#[test]
fn after_a_failed_sync_the_log_goes_on_in_a_new_segment_with_the_page_it_shared() {
    let mut log = Manual::open(&FaultyStorage::new());
    (1..14).for_each(|index| log.append(index..index + 1, 600).unwrap());
    log.storage.fail_syncs(1);
    log.append(14..15, 600).unwrap();
    assert_eq!(log.wal.stats().failures, 1);
    let whole = log.contents();
    // The disk lost the whole page that was being written, acknowledged records included.
    let name = "wal-0000000000000002.log";
    let mut bytes = log.storage.contents(name).unwrap();
    assert!(bytes[4096..].windows(6).any(|bytes| bytes == b"13.0/1"));
    bytes[4096..].fill(0xaa);
    log.storage.replace(name, bytes);
    let log = log.reopen();
    assert_eq!(log.contents(), whole);
    assert_eq!(log.recovered.repaired, []);
}

#[test]
fn only_entries_that_still_count_move_to_the_new_segment() {
    let mut log = Manual::open(&FaultyStorage::new());
    log.append(1..8, 100).unwrap();
    log.wal
        .truncate_after(Some(5), Box::new(|result| result.unwrap()));
    log.wal
        .purge(2, Bytes::from_static(b"m"), Box::new(|result| result.unwrap()));
    log.append(6..7, 50).unwrap();
    log.storage.fail_syncs(1);
    log.wal
        .truncate_after(Some(4), Box::new(|result| result.unwrap()));
    log.append(5..9, 70).unwrap();
    let whole = log.contents();
    assert_eq!(log.wal.range(), 3..9);
    assert_eq!(log.reopen().contents(), whole);
}

#[test]
fn a_disk_that_keeps_failing_stops_the_log_until_it_is_opened_anew() {
    let mut log = Manual::open(&FaultyStorage::new());
    log.append(1..4, 200).unwrap();
    // The batch fails, the new segment is made and begun, the batch fails there, too.
    log.storage.fail_syncs(0b1001);
    let whole = log.contents();
    let error = loop {
        match log.append(4..6, 200) {
            Ok(()) => panic!("acknowledged on a disk that does not sync"),
            Err(WriteError::Poisoned { reason }) => break reason,
            Err(_) => {}
        }
    };
    assert!(error.ends_with("the disk failed to write"), "{error}");
    assert_eq!(log.wal.health(), Health::Poisoned { reason: error });
    log.storage.fail_syncs(0);
    let outcome = Outcome::default();
    log.wal.append(vec![entry(4, 10)], outcome.callback());
    assert!(
        matches!(outcome.get(), Some(Err(WriteError::Poisoned { .. }))),
        "said at once"
    );
    assert_eq!(log.contents(), whole, "reads go on");
    let mut log = log.reopen();
    let end = log.wal.range().end;
    assert!(
        (4..=6).contains(&end),
        "the failed batch may be found, in part: {end}"
    );
    log.append(end..end + 3, 200).unwrap();
    let whole = log.contents();
    assert_eq!(log.reopen().contents(), whole);
}
