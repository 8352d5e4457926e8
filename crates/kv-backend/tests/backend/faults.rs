//! The home that fails on purpose.

use kv_backend::faulty::FaultyHome;
use kv_backend::{Backend, BackendError, BackendHome, Batch};

use crate::chance::Chance;
use crate::model::{Map, apply, batch_of, random_changes, read_all};

fn put(backend: &dyn Backend, key: &str, value: &str) -> Result<(), BackendError> {
    let mut batch = Batch::new();
    batch.put(key.to_owned(), value.to_owned());
    backend.write(batch)
}

#[test]
fn a_crash_keeps_the_last_flush_or_the_one_in_progress() {
    let mut kept = [0, 0];
    for seed in 0..200 {
        let home = FaultyHome::new(seed);
        let mut chance = Chance::new(seed);
        let backend = home.open().unwrap();
        home.crash_at_flush(1 + chance.below(5));
        let (mut live, mut durable) = (Map::new(), Map::new());
        loop {
            let changes = random_changes(&mut chance);
            backend.write(batch_of(&changes)).unwrap();
            apply(&mut live, &changes);
            if chance.one_in(2) {
                match backend.flush() {
                    Ok(()) => durable.clone_from(&live),
                    Err(_) => break,
                }
            }
        }
        assert!(home.is_crashed());
        assert!(home.open().is_err() && home.stage().is_err());
        home.restart();
        assert!(backend.get(b"a").is_err(), "handles from before stay dead");
        let found = read_all(&*home.open().unwrap());
        assert!(found == durable || found == live, "seed {seed}");
        kept[usize::from(found == live)] += 1;
    }
    assert!(kept.iter().all(|count| *count > 50), "both happen: {kept:?}");
}

#[test]
fn a_crash_between_flushes_keeps_the_last_one() {
    let home = FaultyHome::new(1);
    let backend = home.open().unwrap();
    put(&*backend, "a", "1").unwrap();
    backend.flush().unwrap();
    put(&*backend, "a", "2").unwrap();
    home.crash();
    assert!(matches!(
        put(&*backend, "a", "3"),
        Err(BackendError::Write { .. })
    ));
    home.restart();
    assert_eq!(
        home.open().unwrap().get(b"a").unwrap().as_deref(),
        Some(&b"1"[..])
    );
}

#[test]
fn a_full_disk_refuses_writes_until_it_is_reopened_with_space() {
    let home = FaultyHome::new(1);
    let backend = home.open().unwrap();
    put(&*backend, "a", "1").unwrap();
    backend.flush().unwrap();
    home.set_full(true);
    put(&*backend, "a", "2").unwrap();
    assert!(backend.flush().unwrap_err().is_disk_full());
    assert!(matches!(
        put(&*backend, "b", "1"),
        Err(BackendError::Refused { .. })
    ));
    assert!(backend.get(b"a").unwrap().is_some());
    assert!(backend.reopen().unwrap_err().is_disk_full());
    home.set_full(false);
    backend.reopen().unwrap();
    assert_eq!(backend.get(b"a").unwrap().as_deref(), Some(&b"1"[..]));
    put(&*backend, "a", "3").unwrap();
    backend.flush().unwrap();
}

#[test]
fn a_failed_flush_leaves_all_or_nothing() {
    for seed in 0..20 {
        let home = FaultyHome::new(seed);
        let backend = home.open().unwrap();
        home.fail_flush(1);
        put(&*backend, "a", "1").unwrap();
        put(&*backend, "b", "1").unwrap();
        assert!(matches!(backend.flush(), Err(BackendError::Flush { .. })));
        backend.reopen().unwrap();
        assert!([0, 2].contains(&read_all(&*backend).len()));
        put(&*backend, "a", "2").unwrap();
        backend.flush().unwrap();
        assert_eq!(backend.get(b"a").unwrap().as_deref(), Some(&b"2"[..]));
    }
}

#[test]
fn a_crash_leaves_the_old_database_or_the_promoted_one() {
    let home = FaultyHome::new(1);
    put(&*home.open().unwrap(), "a", "unflushed").unwrap();
    let staged = home.stage().unwrap();
    put(&*staged, "a", "staged").unwrap();
    staged.flush().unwrap();
    home.restart();
    assert!(read_all(&*home.open().unwrap()).is_empty());
    assert!(home.promote().is_err(), "the stage did not outlive the process");
    let staged = home.stage().unwrap();
    put(&*staged, "a", "staged").unwrap();
    staged.flush().unwrap();
    home.promote().unwrap();
    home.restart();
    assert_eq!(
        home.open().unwrap().get(b"a").unwrap().as_deref(),
        Some(&b"staged"[..])
    );
}

#[test]
fn a_flipped_bit_changes_one_value_silently_and_an_unreadable_key_fails_loudly() {
    let home = FaultyHome::new(3);
    let backend = home.open().unwrap();
    assert_eq!(home.flip_bit(b""), None);
    put(&*backend, "a", "value").unwrap();
    put(&*backend, "b", "value").unwrap();
    backend.flush().unwrap();
    assert_eq!(home.flip_bit(b"b").as_deref(), Some(&b"b"[..]));
    assert_eq!(backend.get(b"a").unwrap().as_deref(), Some(&b"value"[..]));
    let flipped = backend.get(b"b").unwrap().unwrap();
    let bits: u32 = flipped
        .iter()
        .zip(b"value")
        .map(|(a, b)| (a ^ b).count_ones())
        .sum();
    assert_eq!(bits, 1);
    home.make_unreadable("b");
    assert!(matches!(backend.get(b"b"), Err(BackendError::Read { .. })));
    assert!(
        backend
            .scan(b"a", b"z", &mut |_, _| std::ops::ControlFlow::Continue(()))
            .is_err()
    );
    assert!(backend.get(b"a").unwrap().is_some());
}
