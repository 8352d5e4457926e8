//! The files of a sled home: what opens, what is refused and with which words, what is cleared away.

use std::fs;
use std::path::Path;

use kv_backend::{Backend, BackendError, BackendHome, Batch, OpenError, SledHome, SledOptions};

use crate::model::read_all;

fn put(backend: &dyn Backend, key: &str, value: &str) {
    let mut batch = Batch::new();
    batch.put(key.to_owned(), value.to_owned());
    backend.write(batch).unwrap();
}

/// A home with one pair in it, closed.
fn filled(dir: &Path) -> SledHome {
    let home = SledHome::new(dir);
    let backend = home.open().unwrap();
    put(&*backend, "key", "value");
    backend.flush().unwrap();
    drop(backend);
    home
}

fn open_error(dir: &Path) -> OpenError {
    SledHome::new(dir).open().err().expect("it must not open")
}

fn metadata_file(dir: &Path, prefix: &str) -> std::path::PathBuf {
    let mut files: Vec<_> = fs::read_dir(dir.join("1/metadata"))
        .unwrap()
        .map(|e| e.unwrap().path())
        .collect();
    files.sort();
    files
        .into_iter()
        .rfind(|path| path.file_name().unwrap().to_str().unwrap().starts_with(prefix))
        .unwrap()
}

#[test]
fn a_home_is_read_by_another_process_life() {
    let dir = tempfile::tempdir().unwrap();
    drop(filled(dir.path()));
    let backend = SledHome::new(dir.path()).open().unwrap();
    assert_eq!(backend.get(b"key").unwrap().as_deref(), Some(&b"value"[..]));
}

#[test]
fn what_was_not_flushed_is_gone_when_the_handles_are() {
    let dir = tempfile::tempdir().unwrap();
    let home = filled(dir.path());
    let backend = home.open().unwrap();
    put(&*backend, "key", "other");
    put(&*backend, "more", "value");
    drop(backend);
    let all = read_all(&*home.open().unwrap());
    assert_eq!(
        all.into_iter().collect::<Vec<_>>(),
        [(b"key".to_vec(), b"value".to_vec())]
    );
}

#[test]
fn a_newer_format_is_refused_by_name() {
    let dir = tempfile::tempdir().unwrap();
    filled(dir.path());
    let current = dir.path().join("CURRENT");
    fs::write(&current, "kvd backend format 7 something new\n").unwrap();
    assert_eq!(
        open_error(dir.path()).to_string(),
        format!(
            "backend at {} has format 7, this program knows formats up to 1",
            current.display()
        )
    );
}

#[test]
fn a_damaged_pointer_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    filled(dir.path());
    fs::write(
        dir.path().join("CURRENT"),
        "kvd backend format 1 generation 2 crc32 00000000\n",
    )
    .unwrap();
    assert!(matches!(open_error(dir.path()), OpenError::Damaged { .. }));
}

#[test]
fn a_lost_pointer_does_not_make_an_empty_database() {
    let dir = tempfile::tempdir().unwrap();
    filled(dir.path());
    fs::remove_file(dir.path().join("CURRENT")).unwrap();
    assert!(matches!(open_error(dir.path()), OpenError::Damaged { .. }));
}

#[test]
fn a_lost_generation_does_not_make_an_empty_database() {
    let dir = tempfile::tempdir().unwrap();
    filled(dir.path());
    fs::remove_dir_all(dir.path().join("1")).unwrap();
    assert!(matches!(open_error(dir.path()), OpenError::Damaged { .. }));
}

#[test]
fn a_creation_cut_short_starts_over() {
    let dir = tempfile::tempdir().unwrap();
    filled(dir.path());
    // As before the pointer was written.
    fs::remove_file(dir.path().join("CURRENT")).unwrap();
    fs::remove_file(dir.path().join("1/kvd-created")).unwrap();
    assert!(read_all(&*SledHome::new(dir.path()).open().unwrap()).is_empty());
}

#[test]
fn leftover_generations_are_removed_when_the_home_opens() {
    let dir = tempfile::tempdir().unwrap();
    let home = filled(dir.path());
    let staged = home.stage().unwrap();
    put(&*staged, "key", "staged");
    staged.flush().unwrap();
    drop((staged, home));
    assert!(dir.path().join("2").exists());
    let backend = SledHome::new(dir.path()).open().unwrap();
    assert!(!dir.path().join("2").exists());
    assert_eq!(backend.get(b"key").unwrap().as_deref(), Some(&b"value"[..]));
}

#[test]
fn a_replaced_generation_is_removed_with_its_last_handle() {
    let dir = tempfile::tempdir().unwrap();
    let home = filled(dir.path());
    let old = home.open().unwrap();
    home.stage().unwrap().flush().unwrap();
    home.promote().unwrap();
    assert!(dir.path().join("1").exists());
    drop(old);
    assert!(!dir.path().join("1").exists());
    assert!(read_all(&*SledHome::new(dir.path()).open().unwrap()).is_empty());
}

#[test]
fn a_flipped_bit_in_the_metadata_snapshot_is_refused_by_path() {
    let dir = tempfile::tempdir().unwrap();
    drop(filled(dir.path()).open().unwrap());
    let snapshot = metadata_file(dir.path(), "snapshot_");
    let bytes = fs::read(&snapshot).unwrap();
    for at in 0..bytes.len() {
        let mut flipped = bytes.clone();
        flipped[at] ^= 1;
        fs::write(&snapshot, flipped).unwrap();
        let error = open_error(dir.path());
        assert!(
            matches!(&error, OpenError::Damaged { path, .. } if *path == snapshot),
            "{error}"
        );
    }
}

#[test]
fn a_flipped_bit_inside_a_metadata_log_is_refused_and_a_torn_end_is_not() {
    let dir = tempfile::tempdir().unwrap();
    let home = SledHome::new(dir.path());
    let backend = home.open().unwrap();
    for round in 0..5 {
        put(&*backend, "key", &round.to_string());
        backend.flush().unwrap();
    }
    drop((backend, home));
    let log = metadata_file(dir.path(), "log_");
    let bytes = fs::read(&log).unwrap();
    for at in 0..20 {
        let mut flipped = bytes.clone();
        flipped[at] ^= 0x10;
        fs::write(&log, flipped).unwrap();
        assert!(matches!(open_error(dir.path()), OpenError::Damaged { path, .. } if path == log));
    }
    fs::write(&log, &bytes[..bytes.len() - 3]).unwrap();
    let backend = SledHome::new(dir.path()).open().unwrap();
    assert_eq!(backend.get(b"key").unwrap().as_deref(), Some(&b"3"[..]));
}

#[test]
fn a_missing_metadata_snapshot_does_not_make_an_empty_database() {
    let dir = tempfile::tempdir().unwrap();
    filled(dir.path());
    fs::remove_file(metadata_file(dir.path(), "snapshot_")).unwrap();
    assert!(matches!(open_error(dir.path()), OpenError::Damaged { .. }));
}

#[test]
fn a_flipped_bit_in_a_value_is_an_error_of_that_read() {
    let dir = tempfile::tempdir().unwrap();
    let home = SledHome::new(dir.path());
    let backend = home.open().unwrap();
    let mut batch = Batch::new();
    batch.put("key", vec![7u8; 1000]);
    backend.write(batch).unwrap();
    backend.flush().unwrap();
    drop((backend, home));
    let mut damaged = 0;
    for slab in fs::read_dir(dir.path().join("1/slabs")).unwrap() {
        let slab = slab.unwrap().path();
        let mut bytes = fs::read(&slab).unwrap();
        damaged += bytes.len();
        bytes.iter_mut().step_by(16).for_each(|byte| *byte ^= 1);
        fs::write(&slab, bytes).unwrap();
    }
    assert!(damaged > 0);
    let backend = SledHome::new(dir.path()).open().unwrap();
    let error = backend.get(b"key").unwrap_err().to_string();
    assert!(
        error.starts_with(&format!("read backend at {}: ", dir.path().join("1").display())),
        "{error}"
    );
}

#[test]
fn a_file_in_place_of_the_home_is_an_error_naming_it() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("backend");
    fs::write(&path, "").unwrap();
    assert!(open_error(&path).to_string().contains(path.to_str().unwrap()));
}

#[test]
fn reads_go_on_during_flushes_and_reopenings() {
    let dir = tempfile::tempdir().unwrap();
    let options = SledOptions {
        cache_bytes: 1 << 20,
        reopen_bytes: 4 << 20,
        ..SledOptions::default()
    };
    let home = SledHome::with_options(dir.path(), options);
    let backend = home.open().unwrap();
    let value = vec![3u8; 32 * 1024];
    let mut batch = Batch::new();
    (0..64u8).for_each(|key| batch.put(vec![key], value.clone()));
    backend.write(batch).unwrap();
    backend.flush().unwrap();
    let done = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        for reader in 0..4u8 {
            let (backend, value, done) = (&backend, &value, &done);
            scope.spawn(move || {
                let mut key = reader;
                while !done.load(std::sync::atomic::Ordering::Relaxed) {
                    key = (key + 5) % 64;
                    assert_eq!(backend.get(&[key]).unwrap().as_deref(), Some(&value[..]));
                }
            });
        }
        for round in 0..12u8 {
            let mut batch = Batch::new();
            (0..32u8).for_each(|key| batch.put(vec![100, round, key], value.clone()));
            (0..64u8)
                .filter(|key| key % 4 == 0)
                .for_each(|key| batch.put(vec![key], value.clone()));
            backend.write(batch).unwrap();
            backend.flush().unwrap();
        }
        done.store(true, std::sync::atomic::Ordering::Relaxed);
    });
    assert_eq!(read_all(&*backend).len(), 64 + 12 * 32);
}

#[test]
fn a_disk_with_too_little_space_refuses_flushes_and_is_read_on() {
    let dir = tempfile::tempdir().unwrap();
    drop(filled(dir.path()));
    let options = SledOptions {
        free_bytes_min: u64::MAX,
        ..SledOptions::default()
    };
    let backend = SledHome::with_options(dir.path(), options).open().unwrap();
    put(&*backend, "more", "value");
    assert!(backend.flush().unwrap_err().is_disk_full());
    let mut batch = Batch::new();
    batch.put("key", "other");
    assert!(matches!(backend.write(batch), Err(BackendError::Refused { .. })));
    assert!(backend.reopen().unwrap_err().is_disk_full());
    assert_eq!(backend.get(b"key").unwrap().as_deref(), Some(&b"value"[..]));
    assert_eq!(read_all(&*backend).len(), 2);
    drop(backend);
    assert_eq!(read_all(&*SledHome::new(dir.path()).open().unwrap()).len(), 1);
}
