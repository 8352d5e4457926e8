//! What every implementation promises, with one body for all.

use std::ops::ControlFlow;

use kv_backend::faulty::FaultyHome;
use kv_backend::{BackendHome, Batch, MemoryHome, OpenError, SledHome, SledOptions};

use crate::model::{Keeps, compare, read_all};

/// Calls `check` with an empty home of each kind.
fn on_each_home(check: impl Fn(&dyn BackendHome, Keeps)) {
    check(&MemoryHome::new(), Keeps::Everything);
    check(&FaultyHome::new(1), Keeps::WhatWasFlushed);
    let dir = tempfile::tempdir().unwrap();
    check(&SledHome::new(dir.path().join("backend")), Keeps::WhatWasFlushed);
}

#[test]
fn random_operations_equal_those_on_a_map() {
    on_each_home(|home, keeps| compare(home, keeps, 1, 400));
    for seed in 2..40 {
        compare(&MemoryHome::new(), Keeps::Everything, seed, 300);
        compare(&FaultyHome::new(seed), Keeps::WhatWasFlushed, seed, 300);
    }
}

#[test]
fn a_sled_home_equals_a_map_when_it_reopens_all_the_time() {
    for seed in 2..8 {
        let dir = tempfile::tempdir().unwrap();
        let options = SledOptions {
            cache_bytes: 64 * 1024,
            reopen_bytes: 100_000,
            ..SledOptions::default()
        };
        compare(
            &SledHome::with_options(dir.path(), options),
            Keeps::WhatWasFlushed,
            seed,
            300,
        );
    }
}

#[test]
fn a_batch_is_readable_at_once_and_its_last_change_of_a_key_counts() {
    on_each_home(|home, _| {
        let backend = home.open().unwrap();
        let mut batch = Batch::new();
        batch.put("a", "1");
        batch.put("b", "2");
        batch.delete("a");
        batch.put("b", "3");
        backend.write(batch).unwrap();
        assert_eq!(backend.get(b"a").unwrap(), None);
        assert_eq!(backend.get(b"b").unwrap().as_deref(), Some(&b"3"[..]));
    });
}

#[test]
fn an_upside_down_range_is_empty() {
    on_each_home(|home, _| {
        let backend = home.open().unwrap();
        let mut batch = Batch::new();
        batch.put("m", "1");
        backend.write(batch).unwrap();
        let mut visit = |_: &[u8], _: &[u8]| panic!("nothing is in it");
        backend.scan(b"z", b"a", &mut visit).unwrap();
        backend.scan(b"m", b"m", &mut visit).unwrap();
    });
}

#[test]
fn a_scan_ends_where_its_visitor_breaks() {
    on_each_home(|home, _| {
        let backend = home.open().unwrap();
        let mut batch = Batch::new();
        (0..50u8).for_each(|key| batch.put(vec![key], vec![key]));
        backend.write(batch).unwrap();
        let mut seen = 0;
        let mut visit = |_: &[u8], _: &[u8]| {
            seen += 1;
            if seen == 7 {
                ControlFlow::Break(())
            } else {
                ControlFlow::Continue(())
            }
        };
        backend.scan(&[], &[255], &mut visit).unwrap();
        assert_eq!(seen, 7);
    });
}

#[test]
fn a_scan_visitor_may_read() {
    on_each_home(|home, _| {
        let backend = home.open().unwrap();
        let mut batch = Batch::new();
        (0..50u8).for_each(|key| batch.put(vec![key], vec![key]));
        backend.write(batch).unwrap();
        backend.flush().unwrap();
        let mut visit = |key: &[u8], value: &[u8]| {
            assert_eq!(backend.get(key).unwrap().as_deref(), Some(value));
            ControlFlow::Continue(())
        };
        backend.scan(&[], &[255], &mut visit).unwrap();
    });
}

#[test]
fn opening_twice_gives_the_same_database() {
    on_each_home(|home, _| {
        let one = home.open().unwrap();
        let mut batch = Batch::new();
        batch.put("a", "1");
        one.write(batch).unwrap();
        let two = home.open().unwrap();
        assert_eq!(two.get(b"a").unwrap().as_deref(), Some(&b"1"[..]));
    });
}

#[test]
fn a_promoted_database_replaces_the_current_one_and_both_stay_readable() {
    on_each_home(|home, _| {
        let old = home.open().unwrap();
        let mut batch = Batch::new();
        batch.put("a", "old");
        old.write(batch).unwrap();
        old.flush().unwrap();
        let new = home.stage().unwrap();
        assert!(read_all(&*new).is_empty());
        let mut batch = Batch::new();
        batch.put("a", "new");
        new.write(batch).unwrap();
        new.flush().unwrap();
        assert_eq!(
            home.open().unwrap().get(b"a").unwrap().as_deref(),
            Some(&b"old"[..])
        );
        home.promote().unwrap();
        assert_eq!(old.get(b"a").unwrap().as_deref(), Some(&b"old"[..]));
        assert_eq!(
            home.open().unwrap().get(b"a").unwrap().as_deref(),
            Some(&b"new"[..])
        );
        drop((old, new));
        assert_eq!(
            home.open().unwrap().get(b"a").unwrap().as_deref(),
            Some(&b"new"[..])
        );
    });
}

#[test]
fn nothing_staged_is_nothing_to_promote() {
    on_each_home(|home, _| {
        assert!(matches!(home.promote(), Err(OpenError::NothingStaged { .. })));
    });
}

#[test]
fn a_second_stage_replaces_the_first() {
    on_each_home(|home, _| {
        let first = home.stage().unwrap();
        let mut batch = Batch::new();
        batch.put("a", "first");
        first.write(batch).unwrap();
        first.flush().unwrap();
        drop(first);
        let second = home.stage().unwrap();
        assert!(read_all(&*second).is_empty());
        second.flush().unwrap();
        home.promote().unwrap();
        assert!(read_all(&*home.open().unwrap()).is_empty());
    });
}

#[test]
fn values_larger_than_a_scan_chunk_are_scanned_whole() {
    on_each_home(|home, _| {
        let backend = home.open().unwrap();
        for round in 0..2u8 {
            let mut batch = Batch::new();
            (0..20u8).for_each(|key| batch.put(vec![key, round], vec![key; 300_000]));
            backend.write(batch).unwrap();
            if round == 0 {
                backend.flush().unwrap();
            }
        }
        let all = read_all(&*backend);
        assert_eq!(all.len(), 40);
        assert!(all.iter().all(|(key, value)| *value == vec![key[0]; 300_000]));
    });
}
