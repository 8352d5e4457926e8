//! What a crash can leave is repaired and said; anything else stops the start, naming file and offset.

use bytes::Bytes;
use kv_wal::faulty::FaultyStorage;
use kv_wal::{OpenError, Options, ReadError, Storage, Wal};

use crate::common::{Manual, Model, contents, small};

/// Some segments with all kinds of records, two batches of entries at least in the last one.
fn written() -> Manual {
    let mut log = Manual::open(&FaultyStorage::new());
    log.append(1..4, 900).unwrap();
    log.wal
        .save_vote(Bytes::from_static(b"vote"), Box::new(|result| result.unwrap()));
    log.wal.save_committed(Bytes::from_static(b"2")).unwrap();
    log.append(4..10, 700).unwrap();
    log.wal
        .truncate_after(Some(8), Box::new(|result| result.unwrap()));
    log.wal.purge(
        1,
        Bytes::from_static(b"marker"),
        Box::new(|result| result.unwrap()),
    );
    log.append(9..17, 800).unwrap();
    log.append(17..19, 300).unwrap();
    log.append(19..21, 300).unwrap();
    assert_eq!(segments(&log.storage).len(), 3);
    log
}

fn segments(storage: &FaultyStorage) -> Vec<String> {
    let mut names = storage.list().unwrap();
    names.retain(|name| name.starts_with("wal-"));
    names.sort();
    names
}

fn open(storage: &FaultyStorage) -> Result<Manual, OpenError> {
    let (wal, driver, recovered) = Wal::open_manual(std::sync::Arc::new(storage.clone()), small())?;
    Ok(Manual {
        storage: storage.clone(),
        wal,
        driver,
        recovered,
    })
}

/// Opens a copy in which `change` was made to one file.
fn open_changed(
    storage: &FaultyStorage,
    name: &str,
    change: impl FnOnce(&mut Vec<u8>),
) -> Result<Manual, OpenError> {
    let copy = storage.copy();
    let mut bytes = copy.contents(name).unwrap();
    change(&mut bytes);
    copy.replace(name, bytes);
    open(&copy)
}

fn assert_damaged(result: Result<Manual, OpenError>, name: &str) -> u64 {
    match result {
        Err(OpenError::Damaged { file, offset, .. }) => {
            assert_eq!(file.to_str(), Some(name));
            offset
        }
        Err(error) => panic!("{error}"),
        Ok(log) => panic!("opened with {:?}", log.contents()),
    }
}

#[test]
fn a_flipped_byte_in_a_closed_log_is_noticed_or_changes_nothing() {
    let log = written();
    let whole = log.contents();
    let storage = log.close();
    let mut noticed = 0;
    for name in segments(&storage) {
        for at in 0..storage.contents(&name).unwrap().len() {
            match open_changed(&storage, &name, |bytes| bytes[at] ^= 1 << (at % 8)) {
                Ok(log) => assert_eq!(log.contents(), whole, "{name} at {at}"),
                Err(OpenError::Damaged { file, .. }) => {
                    assert_eq!(file.to_str(), Some(&*name), "at {at}");
                    noticed += 1;
                }
                Err(error) => panic!("{name} at {at}: {error}"),
            }
        }
    }
    assert!(noticed > 10_000, "{noticed}");
}

#[test]
fn a_flipped_byte_after_a_crash_costs_the_last_batch_at_most() {
    let log = written();
    let whole = log.contents();
    let mut torn = 0;
    for name in segments(&log.storage) {
        for at in 0..log.storage.contents(&name).unwrap().len() {
            match open_changed(&log.storage, &name, |bytes| bytes[at] ^= 0xff) {
                Ok(log) if log.contents() == whole => {}
                Ok(log) => {
                    let end = log.wal.range().end;
                    assert!((19..21).contains(&end), "{name} at {at}: ends at {end}");
                    assert_eq!(log.recovered.repaired.len(), 1, "{name} at {at}");
                    let kept = |model: &Model| model.entries.range(..end).map(|(_, e)| e.clone()).collect();
                    let (found, wanted): (Vec<_>, Vec<_>) = (kept(&log.contents()), kept(&whole));
                    assert_eq!(found, wanted, "{name} at {at}");
                    torn += 1;
                }
                Err(OpenError::Damaged { .. }) => {}
                Err(error) => panic!("{name} at {at}: {error}"),
            }
        }
    }
    // Two records of the last batch, less the zeros that pad them.
    assert!((2 * 300..2 * 350).contains(&torn), "{torn}");
}

#[test]
fn damage_is_named_with_file_and_offset() {
    let storage = written().close();
    let name = &segments(&storage)[1];
    let whole = storage.contents(name).unwrap();
    let entry_12 = whole.windows(6).position(|bytes| bytes == b"12.0/1").unwrap();
    let result = open_changed(&storage, name, |bytes| bytes[entry_12 + 100] ^= 1);
    let message = result.as_ref().err().unwrap().to_string();
    let offset = assert_damaged(result, name);
    assert_eq!(offset, entry_12 as u64 - 32, "the start of the record");
    assert_eq!(
        message,
        format!(
            "log segment {name} is damaged at offset {offset}: a bad record, and more was written after it"
        )
    );
}

#[test]
fn damage_leaves_the_directory_as_it_was() {
    let storage = written().close();
    let names = segments(&storage);
    let mut bytes = storage.contents(&names[0]).unwrap();
    bytes[700] ^= 1;
    storage.replace(&names[0], bytes);
    let mut bytes = storage.contents(&names[2]).unwrap();
    let tail = bytes.len() - 3;
    bytes[tail] = 1;
    storage.replace(&names[2], bytes);
    let before: Vec<_> = storage
        .list()
        .unwrap()
        .iter()
        .map(|name| storage.contents(name))
        .collect();
    assert_damaged(open(&storage), &names[0]);
    let after: Vec<_> = storage
        .list()
        .unwrap()
        .iter()
        .map(|name| storage.contents(name))
        .collect();
    assert!(before == after);
}

#[test]
fn a_torn_last_batch_is_zeroed_and_reported_once() {
    let log = written();
    let name = segments(&log.storage).pop().unwrap();
    let mut bytes = log.storage.contents(&name).unwrap();
    let entry_19 = bytes.windows(6).position(|bytes| bytes == b"19.0/1").unwrap();
    // The second record of the batch is whole: pages reach the disk in any order.
    bytes[entry_19] ^= 1;
    log.storage.replace(&name, bytes);
    let log = log.reopen();
    let [repaired] = &log.recovered.repaired[..] else {
        panic!("{:?}", log.recovered.repaired)
    };
    assert_eq!(repaired.file.to_str(), Some(&*name));
    assert_eq!(repaired.offset, entry_19 as u64 - 32);
    assert!((600..700).contains(&repaired.bytes), "{repaired:?}");
    assert_eq!(log.wal.range(), 2..19);
    let rest = &log.storage.contents(&name).unwrap()[entry_19 - 32..];
    assert!(rest.iter().all(|byte| *byte == 0));
    let mut log = log.reopen();
    assert_eq!(log.recovered.repaired, []);
    log.append(19..40, 200).unwrap();
    let whole = log.contents();
    assert_eq!(log.reopen().contents(), whole);
}

#[test]
fn a_segment_of_which_the_first_sync_never_came_is_removed() {
    let log = written();
    let whole = log.contents();
    let next = "wal-0000000000000004.log";
    for content in [
        vec![0; 8192],
        log.storage.contents("wal-0000000000000001.log").unwrap(),
    ] {
        let copy = log.storage.copy();
        copy.replace(next, content);
        let log = open(&copy).unwrap();
        assert_eq!(log.contents(), whole);
        assert_eq!(log.recovered.repaired[0].file.to_str(), Some(next));
        assert!(!segments(&copy).contains(&next.to_owned()));
        let mut log = log.reopen();
        assert_eq!(log.recovered.repaired, []);
        log.append(21..60, 300).unwrap();
    }
}

#[test]
fn a_log_that_must_be_there_is_not_created() {
    let options = || Options {
        create: false,
        ..small()
    };
    let storage = FaultyStorage::new();
    for _ in 0..2 {
        let opened = Wal::open_manual(std::sync::Arc::new(storage.clone()), options());
        assert!(matches!(opened.err().unwrap(), OpenError::Missing { .. }));
        assert_eq!(storage.list().unwrap(), Vec::<String>::new());
    }
    let storage = written().close();
    Wal::open_manual(std::sync::Arc::new(storage), options()).unwrap();
}

#[test]
fn a_missing_segment_is_noticed_whichever_it_is() {
    let storage = written().close();
    for name in segments(&storage) {
        let copy = storage.copy();
        copy.remove(&name).unwrap();
        assert_damaged(open(&copy), &name);
    }
}

#[test]
fn a_shortened_or_lengthened_segment_is_noticed() {
    let storage = written().close();
    for name in segments(&storage) {
        let length = storage.contents(&name).unwrap().len();
        for cut in (0..length).step_by(97).chain([length - 1, length + 1]) {
            assert_damaged(open_changed(&storage, &name, |bytes| bytes.resize(cut, 0)), &name);
        }
    }
}

#[test]
fn a_segment_in_the_place_of_another_is_noticed() {
    let storage = written().close();
    let names = segments(&storage);
    for (from, to) in [(0, 1), (1, 0), (1, 2), (0, 2)] {
        let other = storage.contents(&names[from]).unwrap();
        assert_damaged(
            open_changed(&storage, &names[to], |bytes| *bytes = other),
            &names[to],
        );
    }
}

#[test]
fn a_newer_format_is_refused_by_name() {
    let storage = written().close();
    for name in segments(&storage) {
        let result = open_changed(&storage, &name, |bytes| {
            bytes[8] = 2;
            let crc = crc32c::crc32c(&bytes[..12]);
            bytes[12..16].copy_from_slice(&crc.to_le_bytes());
        });
        let message = result.err().unwrap().to_string();
        assert_eq!(
            message,
            format!("log segment {name} has format version 2, this build reads up to 1")
        );
    }
}

#[test]
fn segments_left_over_from_a_purge_are_removed() {
    let mut log = written();
    let old = log.storage.copy();
    log.append(21..40, 700).unwrap();
    log.wal.purge(
        38,
        Bytes::from_static(b"snapshot"),
        Box::new(|result| result.unwrap()),
    );
    log.step_all();
    let whole = log.contents();
    for left in [
        &["wal-0000000000000001.log"][..],
        &["wal-0000000000000001.log", "wal-0000000000000003.log"],
    ] {
        let copy = log.storage.copy();
        left.iter()
            .for_each(|name| copy.replace(name, old.contents(name).unwrap()));
        let log = open(&copy).unwrap();
        assert_eq!(log.contents(), whole);
        assert!(
            left.iter()
                .all(|name| !segments(&copy).contains(&(*name).to_owned()))
        );
    }
}

#[test]
fn an_entry_damaged_under_the_open_log_is_not_returned() {
    let mut log = written();
    // Reopening empties the cache.
    log = log.reopen();
    let name = &segments(&log.storage)[1];
    let bytes = log.storage.contents(name).unwrap();
    let at = bytes.windows(6).position(|bytes| bytes == b"12.0/1").unwrap();
    let file = log.storage.open(name).unwrap();
    file.write_all_at(b"x", at as u64).unwrap();
    assert_eq!(log.wal.read(11..12, 9000).unwrap().len(), 1);
    let error = log.wal.read(11..14, 9000).unwrap_err();
    assert!(matches!(error, ReadError::Damaged { index: 12, .. }), "{error}");
    file.write_all_at(b"1", at as u64).unwrap();
    contents(&log.wal);
}

#[test]
fn files_that_are_none_of_the_logs_are_left_alone() {
    let log = written();
    let whole = log.contents();
    log.storage.replace("notes.txt", b"hello".to_vec());
    log.storage.replace("new-0000000000000099.tmp", vec![1; 5000]);
    let log = log.reopen();
    assert_eq!(log.contents(), whole);
    assert_eq!(log.storage.contents("notes.txt"), Some(b"hello".to_vec()));
    assert_eq!(
        log.storage.contents("new-0000000000000099.tmp"),
        None,
        "unfinished work of its own"
    );
}
