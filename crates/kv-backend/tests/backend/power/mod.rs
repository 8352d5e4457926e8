//! What a power loss leaves of a sled home.
//!
//! A child process works on a home while [a preloaded library](shim) writes down each change of a file or
//! directory and each sync. From that journal, a crash is a place in it and a choice, page by page and name by
//! name, of what had reached the disk without having been synced. Whatever is chosen, the home must open with the
//! content of the last flush that had returned, or of the one in progress, and keep working.

mod image;
mod journal;
pub(crate) mod shim;
pub(crate) mod workload;

use std::env;
use std::fs;
use std::path::Path;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use kv_backend::{BackendHome, Batch, SledHome};

use self::image::{Image, Luck};
use self::journal::Journal;
use self::workload::Workload;
use crate::chance::Chance;
use crate::model::{Map, read_all};
use crate::{child, model};

/// sled has been seen to hang on bad files.
const OPEN_MAX: Duration = Duration::from_secs(60);

/// `KVD_LONG=1` asks for more of everything.
fn runs_and_images() -> (u64, u64) {
    match env::var_os("KVD_LONG") {
        Some(_) => (12, 30),
        None => (4, 12),
    }
}

#[test]
fn child_works_under_the_journal() {
    if let Some(orders) = child::orders() {
        Workload::new(orders.seed).run(&orders.dir);
    }
}

#[test]
fn a_power_loss_leaves_the_last_flush_or_the_one_in_progress() {
    let Some(shim) = shim::build() else { return };
    let (runs, images) = runs_and_images();
    for seed in 0..runs {
        let dir = tempfile::tempdir().unwrap();
        let journal = record(&shim, dir.path(), seed);
        let workload = Workload::new(seed);
        let mut chance = Chance::new(seed);
        for number in 0..images {
            let end = journal.crash_point(&mut chance);
            let luck = Luck::choose(&mut chance);
            let dir = tempfile::tempdir().unwrap();
            let image = Image::after_crash(&journal, end, luck, &mut chance);
            image.write_to(dir.path());
            let allowed = workload.allowed(&journal.marks(end));
            let what = format!(
                "seed {seed}, image {number}, crash at {end} of {}, {luck:?}",
                journal.len()
            );
            check(dir.path(), allowed, &what);
        }
    }
}

/// The journal of one child.
fn record(shim: &Path, dir: &Path, seed: u64) -> Journal {
    let (root, file) = (dir.join("root"), dir.join("journal"));
    fs::create_dir(&root).unwrap();
    let mut command = child::command("power::child_works_under_the_journal", &root, seed);
    command.env("LD_PRELOAD", shim).env("KVD_JOURNAL_ROOT", &root);
    command
        .env("KVD_JOURNAL", &file)
        .env("KVD_JOURNAL_FAIL", dir.join(workload::TROUBLE));
    child::run(command, &dir.join("output"));
    Journal::read(&file)
}

/// Opens the home that a crash has left, compares all of it, works with it, and opens it again.
fn check(dir: &Path, allowed: Vec<Map>, what: &str) {
    let (done, wait) = mpsc::channel();
    let home = dir.join(workload::HOME);
    let body = thread::spawn(move || {
        let kept = kept(&home, &allowed);
        done.send(()).ok();
        kept
    });
    let timed_out = wait.recv_timeout(OPEN_MAX) == Err(mpsc::RecvTimeoutError::Timeout);
    assert!(!timed_out, "hangs: {what}");
    match body.join() {
        Ok(true) => {}
        Ok(false) => panic!("holds a state that was not flushed: {what}"),
        Err(panic) => {
            eprintln!("fails: {what}");
            std::panic::resume_unwind(panic);
        }
    }
}

/// Whether the home holds one of the states, and keeps it, with more, when it goes on.
fn kept(dir: &Path, allowed: &[Map]) -> bool {
    let home = SledHome::new(dir);
    let backend = home.open().unwrap();
    let mut found = read_all(&*backend);
    if !allowed.contains(&found) {
        return false;
    }
    let mut chance = Chance::new(7);
    for _ in 0..3 {
        let changes = model::random_changes(&mut chance);
        model::apply(&mut found, &changes);
        backend.write(model::batch_of(&changes)).unwrap();
        backend.flush().unwrap();
    }
    backend.write(Batch::new()).unwrap();
    drop((backend, home));
    read_all(&*SledHome::new(dir).open().unwrap()) == found
}
