//! A disk that fails for a moment, under a running sled home: a child process of its own, whose writes and syncs
//! fail when it says so.

use std::fs;

use kv_backend::{Backend, BackendError, BackendHome, Batch, SledHome};

use crate::child;
use crate::model::{END, Map, read_all};
use crate::power::shim;

const CHILD: &str = "trouble::child_works_on_a_disk_that_fails";

#[test]
fn reads_go_on_after_a_failed_flush_and_writes_after_reopening() {
    let Some(shim) = shim::build() else { return };
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().join("root");
    fs::create_dir(&root).unwrap();
    let mut command = child::command(CHILD, &root, 0);
    command.env("LD_PRELOAD", &shim).env("KVD_JOURNAL_ROOT", &root);
    command.env("KVD_JOURNAL_FAIL", dir.path().join("trouble"));
    child::run(command, &dir.path().join("output"));
}

#[test]
fn child_works_on_a_disk_that_fails() {
    let Some(orders) = child::orders() else { return };
    let trouble = orders.dir.with_file_name("trouble");
    let home = SledHome::new(orders.dir.join("home"));
    let backend = home.open().unwrap();
    let mut content = Map::new();
    put(&*backend, &mut content, "first").unwrap();
    backend.flush().unwrap();

    // The first write and sync of a flush are those of the data, the second those of the log that makes it count.
    for kind in ["w1", "s1", "w2", "s2", "s3"] {
        fs::write(&trouble, kind).unwrap();
        put(&*backend, &mut content, kind).unwrap();
        let error = backend.flush().unwrap_err();
        assert!(matches!(error, BackendError::Flush { .. }), "{error}");
        assert_eq!(error.is_disk_full(), kind.starts_with('w'), "{error}");
        assert_eq!(read_all(&*backend), content, "reads go on after {kind}");
        assert!(matches!(
            put(&*backend, &mut Map::new(), "x"),
            Err(BackendError::Refused { .. })
        ));
        assert!(matches!(backend.flush(), Err(BackendError::Refused { .. })));
        backend.reopen().unwrap();
        put(&*backend, &mut content, kind).unwrap();
        backend.flush().unwrap();
        assert_eq!(read_all(&*backend), content);
    }

    // As long as the trouble lasts, reopening says so and changes nothing.
    for kind in ["w0", "s0"] {
        fs::write(&trouble, kind).unwrap();
        put(&*backend, &mut content, kind).unwrap();
        assert!(backend.flush().is_err());
        let error = backend.reopen().unwrap_err();
        assert_eq!(error.is_disk_full(), kind == "w0", "{error}");
        fs::remove_file(&trouble).unwrap();
        backend.reopen().unwrap();
        put(&*backend, &mut content, kind).unwrap();
        backend.flush().unwrap();
    }

    drop((backend, home));
    let found = read_all(&*SledHome::new(orders.dir.join("home")).open().unwrap());
    assert_eq!(found, content);
}

/// Some pairs under keys that begin with `name`.
fn put(backend: &dyn Backend, content: &mut Map, name: &str) -> Result<(), BackendError> {
    let mut batch = Batch::new();
    for number in 0..20 {
        let (key, value) = (
            format!("{name}-{number}"),
            vec![number; 500 * usize::from(number)],
        );
        assert!(key.as_bytes() < END);
        batch.put(key.clone(), value.clone());
        content.insert(key.into_bytes(), value);
    }
    backend.write(batch)
}
