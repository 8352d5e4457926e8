//! A process that ends at any moment.

use std::fs;
use std::process::Stdio;
use std::thread;
use std::time::Duration;

use kv_backend::{BackendHome, SledHome};

use crate::chance::Chance;
use crate::child;
use crate::model::read_all;
use crate::power::workload::{HOME, MARKS, Workload};

const RUNS: u64 = 16;

#[test]
fn child_works_until_it_is_killed() {
    if let Some(orders) = child::orders() {
        Workload::new(orders.seed).run(&orders.dir);
    }
}

#[test]
fn a_killed_process_leaves_the_last_flush_or_the_one_in_progress() {
    let mut chance = Chance::new(1);
    let mut in_progress = 0;
    for seed in 100..100 + RUNS {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().join("root");
        fs::create_dir(&root).unwrap();
        let mut command = child::command("kill::child_works_until_it_is_killed", &root, seed);
        let mut child = command
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        thread::sleep(Duration::from_millis(20 + chance.below(300)));
        child.kill().unwrap();
        child.wait().unwrap();
        let marks = fs::read(root.join(MARKS)).unwrap_or_default();
        in_progress += usize::from(marks.last() == Some(&b'b'));
        let allowed = Workload::new(seed).allowed(&marks);
        let found = read_all(&*SledHome::new(root.join(HOME)).open().unwrap());
        assert!(
            allowed.contains(&found),
            "seed {seed}, after {} marks",
            marks.len()
        );
    }
    assert!(in_progress > 0, "some were killed at work");
}
