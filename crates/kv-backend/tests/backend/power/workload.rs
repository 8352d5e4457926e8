use std::fs::{self, File};
use std::io::Write as _;
use std::path::Path;

use kv_backend::{Backend, BackendError, BackendHome, SledHome, SledOptions};

use crate::chance::Chance;
use crate::model::{Change, Changes, Map, apply, batch_of};

/// Where the home is, in the directory of the child.
pub(crate) const HOME: &str = "home";
/// The file, beside it, that the child writes its progress to.
pub(crate) const MARKS: &str = "marks";
/// The file, beside the directory of the child, that makes the disk fail.
pub(crate) const TROUBLE: &str = "trouble";

const STEPS: u64 = 60;

/// A sequence of steps that follows from a seed. Each ends in a flush, and what is durable then is known.
pub(crate) struct Workload {
    steps: Vec<Step>,
}

enum Step {
    Write(Changes),
    /// The same while a write or a sync fails, after which it is repeated.
    WriteInTrouble(Changes, String),
    /// The home is closed, and opened anew.
    Restart,
    /// What is there is replaced.
    Promote(Changes),
}

impl Workload {
    pub(crate) fn new(seed: u64) -> Workload {
        let mut chance = Chance::new(seed);
        let steps = (0..STEPS).map(|_| match chance.below(12) {
            0 => Step::Restart,
            1 => Step::Promote(changes(&mut chance)),
            2 => {
                let kind = if chance.one_in(2) { 'w' } else { 's' };
                Step::WriteInTrouble(changes(&mut chance), format!("{kind}{}", 1 + chance.below(8)))
            }
            _ => Step::Write(changes(&mut chance)),
        });
        Workload {
            steps: steps.collect(),
        }
    }

    /// Runs it in `dir`, marking the begin and the end of every step.
    pub(crate) fn run(&self, dir: &Path) {
        let mut marks = File::create(dir.join(MARKS)).unwrap();
        let options = SledOptions {
            cache_bytes: 256 * 1024,
            reopen_bytes: 256 * 1024,
            ..SledOptions::default()
        };
        let open = || SledHome::with_options(dir.join(HOME), options.clone());
        let mut home = open();
        let mut backend = home.open().unwrap();
        let trouble_path = dir.with_file_name(TROUBLE);
        for step in &self.steps {
            marks.write_all(b"b").unwrap();
            match step {
                Step::Write(changes) => write(&*backend, changes).unwrap(),
                Step::WriteInTrouble(changes, trouble) => {
                    fs::write(&trouble_path, trouble).unwrap();
                    let wrote = write(&*backend, changes);
                    fs::remove_file(&trouble_path).ok();
                    if wrote.is_err() {
                        backend.reopen().unwrap();
                        write(&*backend, changes).unwrap();
                    }
                    // It may have refused to go on after the flush.
                    backend.reopen().unwrap();
                }
                Step::Restart => {
                    drop(backend);
                    home = open();
                    backend = home.open().unwrap();
                }
                Step::Promote(changes) => {
                    let staged = home.stage().unwrap();
                    staged.write(batch_of(changes)).unwrap();
                    staged.flush().unwrap();
                    home.promote().unwrap();
                    backend = staged;
                }
            }
            marks.write_all(b"e").unwrap();
        }
    }

    /// The states that may be on disk after these marks.
    pub(crate) fn allowed(&self, marks: &[u8]) -> Vec<Map> {
        let ended = marks.iter().filter(|mark| **mark == b'e').count();
        let mut state = Map::new();
        self.steps[..ended]
            .iter()
            .for_each(|step| step.change(&mut state));
        let mut allowed = vec![state.clone()];
        if marks.last() == Some(&b'b') {
            self.steps[ended].change(&mut state);
            allowed.push(state);
        }
        allowed
    }
}

impl Step {
    fn change(&self, state: &mut Map) {
        match self {
            Step::Write(changes) | Step::WriteInTrouble(changes, _) => apply(state, changes),
            Step::Restart => {}
            Step::Promote(changes) => {
                state.clear();
                apply(state, changes);
            }
        }
    }
}

/// In pieces: only the flush makes them one.
fn write(backend: &dyn Backend, changes: &[Change]) -> Result<(), BackendError> {
    for piece in changes.chunks(5) {
        backend.write(batch_of(piece))?;
    }
    backend.flush()
}

/// Blocks that come and go, as a checkpoint writes them, and a few small pairs.
fn changes(chance: &mut Chance) -> Changes {
    let count = 4 + chance.below(12);
    (0..count)
        .map(|_| {
            let key = format!("{:02}", chance.below(60)).into_bytes();
            let len = if chance.one_in(3) {
                chance.below(100)
            } else {
                8_000 + chance.below(25_000)
            };
            let value = (!chance.one_in(4)).then(|| chance.bytes(usize::try_from(len).unwrap()));
            (key, value)
        })
        .collect()
}
