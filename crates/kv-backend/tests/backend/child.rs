//! Child processes: this test binary again, running one test that does nothing unless it is told to.

use std::env;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

/// Names the directory a child works in.
const DIR: &str = "KVD_TEST_CHILD_DIR";
const SEED: &str = "KVD_TEST_CHILD_SEED";

/// sled has been seen to hang.
const RUN_MAX: Duration = Duration::from_secs(120);

/// What a child has been told.
pub(crate) struct Orders {
    pub(crate) dir: PathBuf,
    pub(crate) seed: u64,
}

/// `Some` in a process made by [`command`].
pub(crate) fn orders() -> Option<Orders> {
    let dir = PathBuf::from(env::var_os(DIR)?);
    Some(Orders {
        dir,
        seed: env::var(SEED).unwrap().parse().unwrap(),
    })
}

/// A process that runs `test` of this binary, in which [`orders`] are given.
pub(crate) fn command(test: &str, dir: &Path, seed: u64) -> Command {
    let mut command = Command::new(env::current_exe().unwrap());
    command.args([test, "--exact", "--nocapture", "--test-threads=1"]);
    command.env(DIR, dir).env(SEED, seed.to_string());
    // sled starts `sync` by its name when it opens. Not finding it saves time, and leaves more unsynced.
    command.env("PATH", dir);
    command
}

/// Runs a process to its good end; what it prints goes to the file `output`.
pub(crate) fn run(mut command: Command, output: &Path) {
    let printed = File::create(output).unwrap();
    let mut child = command
        .stdout(printed.try_clone().unwrap())
        .stderr(printed)
        .spawn()
        .unwrap();
    let deadline = Instant::now() + RUN_MAX;
    let status = loop {
        if let Some(status) = child.try_wait().unwrap() {
            break Some(status);
        }
        if Instant::now() > deadline {
            child.kill().unwrap();
            child.wait().unwrap();
            break None;
        }
        thread::sleep(Duration::from_millis(10));
    };
    let good = status.is_some_and(|status| status.success());
    assert!(
        good,
        "child ended with {status:?}:\n{}",
        fs::read_to_string(output).unwrap()
    );
}
