use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use parking_lot::Mutex;

use super::engine::{self, Db};
use super::home::SledOptions;
use super::precautions::sync_dir;
use super::{pointer, rescue};
use crate::OpenError;

/// In a generation that has been current: it must never be taken for one whose creation a crash cut short.
const CREATED: &str = "kvd-created";

/// The databases side by side in a home, by number, and which of them counts.
pub(super) struct Generations {
    home: PathBuf,
    options: SledOptions,
    state: Mutex<Option<State>>,
}

struct State {
    current: Option<u64>,
    staged: Option<u64>,
    /// The highest number in use.
    last: u64,
}

impl Generations {
    pub(super) fn new(home: PathBuf, options: SledOptions) -> Generations {
        Generations {
            home,
            options,
            state: Mutex::new(None),
        }
    }

    pub(super) fn dir(&self, number: u64) -> PathBuf {
        self.home.join(number.to_string())
    }

    pub(super) fn cache_bytes(&self) -> usize {
        self.options.cache_bytes
    }

    pub(super) fn reopen_bytes(&self) -> u64 {
        self.options.reopen_bytes
    }

    /// Bytes that must stay free.
    pub(super) fn free_bytes_min(&self) -> u64 {
        self.options.free_bytes_min
    }

    /// Bytes the disk has left for us.
    pub(super) fn free_bytes(&self) -> io::Result<u64> {
        let disk = rustix::fs::statvfs(&self.home)?;
        Ok(disk.f_bavail.saturating_mul(disk.f_frsize))
    }

    /// The current generation; `None` if none was ever finished.
    pub(super) fn current(&self) -> Result<Option<u64>, OpenError> {
        self.with(|state| Ok(state.current))
    }

    /// Makes an empty database under a number of its own. Nothing names it yet.
    pub(super) fn create(&self) -> Result<(u64, Db), OpenError> {
        self.with(|state| {
            state.last += 1;
            let db = engine::create(&self.dir(state.last), self.cache_bytes())?;
            Ok((state.last, db))
        })
    }

    /// Lets a generation count from now on, durably.
    pub(super) fn make_current(&self, number: u64) -> Result<(), OpenError> {
        self.with(|state| self.point_to(state, number))
    }

    pub(super) fn set_staged(&self, number: u64) {
        if let Some(state) = &mut *self.state.lock() {
            state.staged = Some(number);
        }
    }

    /// Forgets the staged generation, which is the caller's to remove.
    pub(super) fn unstage(&self) -> Result<Option<u64>, OpenError> {
        self.with(|state| Ok(state.staged.take()))
    }

    /// Lets the staged generation count; the one that did before is the caller's to remove.
    pub(super) fn promote(&self) -> Result<Option<u64>, OpenError> {
        self.with(|state| {
            let nothing = || OpenError::NothingStaged {
                path: self.home.clone(),
            };
            let staged = state.staged.ok_or_else(nothing)?;
            let replaced = state.current;
            self.point_to(state, staged)?;
            state.staged = None;
            Ok(replaced)
        })
    }

    /// Gives the files of a generation another number, so that they can be opened although sled keeps them locked
    /// under the old one.
    pub(super) fn adopt(&self, number: u64) -> Result<u64, OpenError> {
        self.with(|state| {
            state.last += 1;
            let fresh = state.last;
            let dir = self.dir(fresh);
            rescue::link(&self.dir(number), &dir).map_err(OpenError::io("link files to", &dir))?;
            if state.current == Some(number) {
                self.point_to(state, fresh)?;
            } else if state.staged == Some(number) {
                state.staged = Some(fresh);
            }
            self.remove(number);
            Ok(fresh)
        })
    }

    /// Removes a generation's files. What cannot be removed now goes when the home is next opened.
    pub(super) fn remove(&self, number: u64) {
        let dir = self.dir(number);
        if let Err(error) = fs::remove_dir_all(&dir) {
            tracing::warn!(path = %dir.display(), %error, "old backend files not removed");
        }
    }

    /// Runs `act` on the state, which the first call reads from disk.
    fn with<R>(&self, act: impl FnOnce(&mut State) -> Result<R, OpenError>) -> Result<R, OpenError> {
        let mut slot = self.state.lock();
        let state = match &mut *slot {
            Some(state) => state,
            None => slot.insert(self.load()?),
        };
        act(state)
    }

    fn point_to(&self, state: &mut State, number: u64) -> Result<(), OpenError> {
        pointer::write(&self.home, number)?;
        state.current = Some(number);
        mark_created(&self.dir(number))
    }

    /// Reads the pointer and clears away what a crash has left.
    fn load(&self) -> Result<State, OpenError> {
        create_home(&self.home).map_err(OpenError::io("create", &self.home))?;
        let current = pointer::read(&self.home)?;
        let numbers = self.numbers().map_err(OpenError::io("list", &self.home))?;
        match current {
            Some(number) if !numbers.contains(&number) => {
                let reason = "the current generation is missing".to_owned();
                return Err(OpenError::Damaged {
                    path: self.dir(number),
                    reason,
                });
            }
            // A crash may have come between the pointer and the mark.
            Some(number) => mark_created(&self.dir(number))?,
            None => self.check_unfinished(&numbers)?,
        }
        for number in &numbers {
            if Some(*number) != current {
                let dir = self.dir(*number);
                fs::remove_dir_all(&dir).map_err(OpenError::io("remove", &dir))?;
            }
        }
        Ok(State {
            current,
            staged: None,
            last: numbers.into_iter().max().unwrap_or(0),
        })
    }

    /// Without a pointer, all there is must be a creation cut short.
    fn check_unfinished(&self, numbers: &[u64]) -> Result<(), OpenError> {
        match numbers
            .iter()
            .find(|number| self.dir(**number).join(CREATED).exists())
        {
            Some(_) => Err(OpenError::Damaged {
                path: pointer::path(&self.home),
                reason: "it is missing, and there is a database".to_owned(),
            }),
            None => Ok(()),
        }
    }

    fn numbers(&self) -> io::Result<Vec<u64>> {
        let mut numbers = Vec::new();
        for entry in fs::read_dir(&self.home)? {
            numbers.extend(
                entry?
                    .file_name()
                    .to_str()
                    .and_then(|name| name.parse::<u64>().ok()),
            );
        }
        Ok(numbers)
    }
}

fn create_home(home: &Path) -> io::Result<()> {
    if home.is_dir() {
        return Ok(());
    }
    fs::create_dir_all(home)?;
    home.parent()
        .filter(|parent| parent.is_dir())
        .map_or(Ok(()), sync_dir)
}

fn mark_created(dir: &Path) -> Result<(), OpenError> {
    let mark = dir.join(CREATED);
    if mark.exists() {
        return Ok(());
    }
    let create = || -> io::Result<()> {
        File::create(&mark)?.sync_all()?;
        sync_dir(dir)
    };
    create().map_err(OpenError::io("create", &mark))
}
