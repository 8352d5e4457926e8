//! The log with its threads, on real files.

use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, mpsc};
use std::thread;
use std::time::Duration;

use bytes::Bytes;
use kv_wal::faulty::FaultyStorage;
use kv_wal::{Health, Observer, OpenError, Options, ReadError, Wal, WriteError};

use crate::common::{contents, entry, small};

fn open(dir: &Path, options: Options) -> Wal {
    Wal::open(dir, options).unwrap().0
}

/// Waits until all earlier requests are durable.
fn wait(wal: &Wal) {
    let (done, answer) = mpsc::channel();
    wal.barrier(Box::new(move |result| done.send(result).unwrap()));
    answer.recv().unwrap().unwrap();
}

#[test]
fn callbacks_come_in_order_and_many_share_one_sync() {
    let dir = tempfile::tempdir().unwrap();
    let wal = open(&dir.path().join("a/b/wal"), Options::default());
    let order = Arc::new(Mutex::new(Vec::new()));
    let (started, release) = (
        Arc::new(AtomicBool::new(false)),
        Arc::new((Mutex::new(false), Condvar::new())),
    );
    let (hold, begun) = (release.clone(), started.clone());
    // Holds the writer until all is queued.
    wal.barrier(Box::new(move |_| {
        begun.store(true, Ordering::SeqCst);
        let mut open = hold.0.lock().unwrap();
        while !*open {
            open = hold.1.wait(open).unwrap();
        }
    }));
    while !started.load(Ordering::SeqCst) {
        thread::yield_now();
    }
    let syncs = wal.stats().syncs;
    for index in 1..=1000 {
        let order = order.clone();
        let done = move |result: Result<(), WriteError>| {
            result.unwrap();
            order.lock().unwrap().push(index);
        };
        wal.append(vec![entry(index, 100)], Box::new(done));
        assert_eq!(
            wal.read(index..index + 1, 1000).unwrap(),
            [entry(index, 100)],
            "readable at once"
        );
    }
    *release.0.lock().unwrap() = true;
    release.1.notify_all();
    wait(&wal);
    assert!(order.lock().unwrap().iter().copied().eq(1..=1000));
    assert_eq!(wal.stats().syncs, syncs + 1);
}

#[test]
fn what_was_acknowledged_is_there_after_the_last_handle_is_gone() {
    let dir = tempfile::tempdir().unwrap();
    let (wal, recovered) = Wal::open(dir.path(), small()).unwrap();
    assert!(recovered.created);
    for index in 1..200 {
        wal.append(vec![entry(index, 500)], Box::new(|result| result.unwrap()));
    }
    wal.save_committed(Bytes::from_static(b"7")).unwrap();
    let before = contents(&wal);
    drop(wal);
    let (wal, recovered) = Wal::open(dir.path(), small()).unwrap();
    assert_eq!(contents(&wal), before);
    assert_eq!(recovered.state.committed, Some(Bytes::from_static(b"7")));
    assert!(recovered.repaired.is_empty() && !recovered.created && recovered.segments > 10);
}

#[test]
fn a_closed_log_answers_closed_and_still_reads() {
    let dir = tempfile::tempdir().unwrap();
    let wal = open(dir.path(), small());
    wal.append(vec![entry(1, 10)], Box::new(|result| result.unwrap()));
    wal.close().unwrap();
    wal.close().unwrap();
    let (done, answer) = mpsc::channel();
    wal.append(
        vec![entry(2, 10)],
        Box::new(move |result| done.send(result).unwrap()),
    );
    assert!(matches!(answer.recv().unwrap(), Err(WriteError::Closed)));
    assert_eq!(wal.read(1..3, 100).unwrap(), [entry(1, 10)]);
}

#[test]
fn the_last_handle_may_go_in_a_callback() {
    let dir = tempfile::tempdir().unwrap();
    let wal = open(dir.path(), small());
    let last = wal.clone();
    let (done, answer) = mpsc::channel();
    let (held, hold) = mpsc::channel::<()>();
    wal.append(
        vec![entry(1, 10)],
        Box::new(move |result| {
            hold.recv().unwrap_err();
            drop(last);
            done.send(result).unwrap();
        }),
    );
    drop(wal);
    drop(held);
    answer.recv().unwrap().unwrap();
}

#[test]
fn readers_get_whole_entries_while_segments_are_purged_and_used_again() {
    let dir = tempfile::tempdir().unwrap();
    let wal = open(
        dir.path(),
        Options {
            queue_bytes: 20_000,
            ..small()
        },
    );
    let acknowledged = Arc::new(AtomicU64::new(0));
    let ended = Arc::new(AtomicBool::new(false));
    let reader = {
        let (wal, ended) = (wal.clone(), ended.clone());
        move || {
            let mut read = 0;
            while !ended.load(Ordering::Relaxed) {
                let range = wal.range();
                match wal.read(range.start..range.start + 20, 4000) {
                    Ok(entries) => {
                        for (at, found) in entries.iter().enumerate() {
                            assert_eq!(*found, entry(range.start + at as u64, 400));
                        }
                        read += entries.len();
                    }
                    Err(ReadError::Purged { .. }) => {}
                    Err(error) => panic!("{error}"),
                }
            }
            read
        }
    };
    let readers: Vec<_> = (0..2).map(|_| thread::spawn(reader.clone())).collect();
    for index in 1..3000 {
        let acknowledged = acknowledged.clone();
        let done = move |result: Result<(), WriteError>| {
            result.unwrap();
            assert_eq!(acknowledged.swap(index, Ordering::SeqCst), index - 1);
        };
        wal.append(vec![entry(index, 400)], Box::new(done));
        if index % 40 == 0 {
            wal.purge(
                index - 30,
                Bytes::from_static(b"m"),
                Box::new(|result| result.unwrap()),
            );
        }
    }
    wait(&wal);
    ended.store(true, Ordering::Relaxed);
    assert!(
        readers
            .into_iter()
            .map(|reader| reader.join().unwrap())
            .sum::<usize>()
            > 0
    );
    assert_eq!(acknowledged.load(Ordering::SeqCst), 2999);
    let before = contents(&wal);
    wal.close().unwrap();
    let wal = open(dir.path(), small());
    assert_eq!(contents(&wal), before);
}

#[derive(Default)]
struct Seen {
    syncs: AtomicU64,
    bytes: AtomicU64,
}

impl Observer for Seen {
    fn synced(&self, _took: Duration, bytes: u64) {
        self.syncs.fetch_add(1, Ordering::SeqCst);
        self.bytes.fetch_add(bytes, Ordering::SeqCst);
    }
}

#[test]
fn observer_sees_each_sync_before_the_callback() {
    let dir = tempfile::tempdir().unwrap();
    let seen = Arc::new(Seen::default());
    let wal = open(
        dir.path(),
        Options {
            observer: Some(seen.clone()),
            ..small()
        },
    );
    let before = seen.syncs.load(Ordering::SeqCst);
    let (done, answer) = mpsc::channel();
    let watched = seen.clone();
    wal.append(
        vec![entry(1, 100)],
        Box::new(move |result| done.send((result, watched.syncs.load(Ordering::SeqCst))).unwrap()),
    );
    let (result, syncs) = answer.recv().unwrap();
    result.unwrap();
    assert_eq!(syncs, before + 1, "no acknowledgement precedes its sync");
    let stats = wal.stats();
    assert_eq!(
        (stats.syncs, stats.bytes_written),
        (syncs, seen.bytes.load(Ordering::SeqCst))
    );
    assert!(stats.sync_time >= stats.last_sync && stats.last_sync > Duration::ZERO);
}

#[test]
fn requests_that_wait_for_space_go_on_when_told() {
    let storage = FaultyStorage::new();
    let options = Options {
        full_disk_retry: Some(Duration::from_secs(3600)),
        ..small()
    };
    let (wal, driver, _) = Wal::open_manual(Arc::new(storage.clone()), options).unwrap();
    let writer = thread::spawn(move || driver.run());
    storage.set_free(Some(0));
    let (done, answer) = mpsc::channel();
    wal.append(
        vec![entry(1, 9000)],
        Box::new(move |result| done.send(result).unwrap()),
    );
    while wal.health() != Health::DiskFull {
        thread::yield_now();
    }
    wal.retry();
    assert!(answer.try_recv().is_err());
    storage.set_free(None);
    wal.retry();
    answer.recv().unwrap().unwrap();
    wal.close().unwrap();
    writer.join().unwrap();
}

#[test]
fn a_directory_that_is_a_file_is_an_error_that_names_it() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("file");
    std::fs::write(&path, b"").unwrap();
    let error = Wal::open(&path, small()).err().unwrap();
    assert!(
        matches!(&error, OpenError::Io { file, .. } if *file == path),
        "{error}"
    );
}
