use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::PathBuf;

use bytes::Bytes;

use crate::batch::Change;
use crate::memory::Pairs;
use crate::{BackendError, Batch, OpenError};

/// What is on the disk, what is only in memory, and what is about to go wrong.
pub(super) struct Disk {
    chance: Chance,
    databases: BTreeMap<u64, Database>,
    current: Option<u64>,
    staged: Option<u64>,
    last: u64,
    /// Counts starts; handles of an earlier one are dead.
    life: u64,
    crashed: bool,
    flushes: u64,
    crash_at: Option<u64>,
    fail_at: Option<u64>,
    full: bool,
    unreadable: BTreeSet<Bytes>,
}

#[derive(Default)]
struct Database {
    durable: Pairs,
    live: Pairs,
    /// What `live` has and `durable` has not.
    unflushed: Vec<Change>,
    refuses: bool,
}

/// What a flush that does not succeed does.
enum Trouble {
    Crash,
    Failure,
    Full,
}

impl Disk {
    pub(super) fn new(seed: u64) -> Disk {
        Disk {
            chance: Chance(seed),
            databases: BTreeMap::new(),
            current: None,
            staged: None,
            last: 0,
            life: 0,
            crashed: false,
            flushes: 0,
            crash_at: None,
            fail_at: None,
            full: false,
            unreadable: BTreeSet::new(),
        }
    }

    pub(super) fn crash(&mut self) {
        self.crashed = true;
    }

    pub(super) fn crash_at_flush(&mut self, flushes: u64) {
        self.crash_at = Some(self.flushes + flushes);
    }

    pub(super) fn fail_flush(&mut self, flushes: u64) {
        self.fail_at = Some(self.flushes + flushes);
    }

    pub(super) fn is_crashed(&self) -> bool {
        self.crashed
    }

    pub(super) fn restart(&mut self) {
        self.life += 1;
        self.crashed = false;
        self.crash_at = None;
        self.fail_at = None;
        self.full = false;
        self.staged = None;
        let current = self.current;
        self.databases.retain(|number, _| Some(*number) == current);
        self.databases.values_mut().for_each(Database::forget_unflushed);
    }

    pub(super) fn set_full(&mut self, full: bool) {
        self.full = full;
    }

    pub(super) fn flip_bit(&mut self, prefix: &[u8]) -> Option<Bytes> {
        let database = self.databases.get_mut(&self.current?)?;
        let stored = database.durable.map.iter();
        let mut stored: Vec<_> = stored
            .filter(|(key, value)| key.starts_with(prefix) && !value.is_empty())
            .collect();
        let (key, value) = stored.swap_remove(self.chance.below(stored.len())?);
        let (key, mut value) = (key.clone(), value.to_vec());
        let bit = self.chance.below(value.len() * 8)?;
        value[bit / 8] ^= 1 << (bit % 8);
        let value = Bytes::from(value);
        if database.live.map.get(&key) == database.durable.map.get(&key) {
            database.live.map.insert(key.clone(), value.clone());
        }
        database.durable.map.insert(key.clone(), value);
        Some(key)
    }

    pub(super) fn make_unreadable(&mut self, key: Bytes) {
        self.unreadable.insert(key);
    }

    pub(super) fn flushes(&self) -> u64 {
        self.flushes
    }

    pub(super) fn life(&self) -> u64 {
        self.life
    }

    pub(super) fn check_alive(&self, life: u64) -> io::Result<()> {
        match self.crashed || life != self.life {
            true => Err(io::Error::other("the power was lost")),
            false => Ok(()),
        }
    }

    pub(super) fn open(&mut self) -> Result<u64, OpenError> {
        self.check_alive(self.life)
            .map_err(OpenError::io("open backend at", &path(self.current)))?;
        match self.current {
            Some(number) => Ok(number),
            None => {
                let number = self.create()?;
                self.current = Some(number);
                Ok(number)
            }
        }
    }

    pub(super) fn stage(&mut self) -> Result<u64, OpenError> {
        let number = self.create()?;
        if let Some(earlier) = self.staged.replace(number) {
            self.databases.remove(&earlier);
        }
        Ok(number)
    }

    pub(super) fn promote(&mut self) -> Result<(), OpenError> {
        self.check_alive(self.life)
            .map_err(OpenError::io("write", &path(self.current)))?;
        let staged = self
            .staged
            .take()
            .ok_or_else(|| OpenError::NothingStaged { path: path(None) })?;
        // The old one stays for its handles, until the next restart.
        self.current = Some(staged);
        Ok(())
    }

    pub(super) fn get(&self, life: u64, number: u64, key: &[u8]) -> Result<Option<Bytes>, BackendError> {
        let database = self.database(life, number)?;
        if self.unreadable.contains(key) && database.live.map.contains_key(key) {
            return Err(unreadable(number));
        }
        Ok(database.live.map.get(key).cloned())
    }

    /// The pairs of `[from, to)`, and the error that ends them early.
    #[expect(clippy::type_complexity, reason = "named parts would say no more")]
    pub(super) fn range(
        &self,
        life: u64,
        number: u64,
        from: &[u8],
        to: &[u8],
    ) -> Result<(Vec<(Bytes, Bytes)>, Option<BackendError>), BackendError> {
        let mut pairs = Vec::new();
        for (key, value) in self.database(life, number)?.live.range(from, to) {
            if self.unreadable.contains(key) {
                return Ok((pairs, Some(unreadable(number))));
            }
            pairs.push((key.clone(), value.clone()));
        }
        Ok((pairs, None))
    }

    pub(super) fn write(&mut self, life: u64, number: u64, batch: Batch) -> Result<(), BackendError> {
        let path = path(Some(number));
        let database = match self.database_mut(life, number) {
            Ok(database) => database,
            Err(source) => return Err(BackendError::Write { path, source }),
        };
        if database.refuses {
            return Err(BackendError::Refused { path });
        }
        let changes = batch.into_changes();
        database.live.apply(changes.clone());
        database.unflushed.extend(changes);
        Ok(())
    }

    pub(super) fn flush(&mut self, life: u64, number: u64) -> Result<(), BackendError> {
        let path = path(Some(number));
        match self.database_mut(life, number) {
            Ok(database) if database.refuses => return Err(BackendError::Refused { path }),
            Ok(database) if database.unflushed.is_empty() => return Ok(()),
            Ok(_) => {}
            Err(source) => return Err(BackendError::Flush { path, source }),
        }
        let trouble = self.next_trouble();
        let keeps = match trouble {
            Some(Trouble::Full) => false,
            Some(Trouble::Crash | Trouble::Failure) => self.chance.below(2) == Some(0),
            None => true,
        };
        if let Some(database) = self.databases.get_mut(&number) {
            if keeps {
                database.durable.apply(std::mem::take(&mut database.unflushed));
            }
            database.refuses = trouble.is_some();
        }
        let source = match trouble {
            None => return Ok(()),
            Some(Trouble::Crash) => {
                self.crashed = true;
                io::Error::other("the power was lost")
            }
            Some(Trouble::Failure) => io::Error::other("the disk failed"),
            Some(Trouble::Full) => io::ErrorKind::StorageFull.into(),
        };
        Err(BackendError::Flush { path, source })
    }

    /// What goes wrong with the flush that begins now.
    fn next_trouble(&mut self) -> Option<Trouble> {
        self.flushes += 1;
        if self.crash_at == Some(self.flushes) {
            Some(Trouble::Crash)
        } else if self.fail_at == Some(self.flushes) {
            Some(Trouble::Failure)
        } else {
            self.full.then_some(Trouble::Full)
        }
    }

    pub(super) fn reopen(&mut self, life: u64, number: u64) -> Result<(), OpenError> {
        let path = path(Some(number));
        let full = self.full;
        let database = self
            .database_mut(life, number)
            .map_err(OpenError::io("reopen", &path))?;
        if database.refuses {
            if full {
                return Err(OpenError::io("reopen", &path)(io::ErrorKind::StorageFull.into()));
            }
            database.forget_unflushed();
        }
        Ok(())
    }

    pub(super) fn size(&self, life: u64, number: u64) -> Result<u64, BackendError> {
        Ok(self.database(life, number)?.durable.bytes)
    }

    /// The last handle is gone: what it did not flush is too.
    pub(super) fn close(&mut self, life: u64, number: u64) {
        if life == self.life
            && let Some(database) = self.databases.get_mut(&number)
        {
            database.forget_unflushed();
        }
    }

    fn create(&mut self) -> Result<u64, OpenError> {
        let path = path(Some(self.last + 1));
        self.check_alive(self.life)
            .map_err(OpenError::io("create", &path))?;
        if self.full {
            return Err(OpenError::io("create", &path)(io::ErrorKind::StorageFull.into()));
        }
        self.last += 1;
        self.databases.insert(self.last, Database::default());
        Ok(self.last)
    }

    fn database(&self, life: u64, number: u64) -> Result<&Database, BackendError> {
        let error = |source| BackendError::Read {
            path: path(Some(number)),
            source,
        };
        self.check_alive(life).map_err(error)?;
        self.databases
            .get(&number)
            .ok_or_else(|| error(io::ErrorKind::NotFound.into()))
    }

    fn database_mut(&mut self, life: u64, number: u64) -> io::Result<&mut Database> {
        self.check_alive(life)?;
        self.databases
            .get_mut(&number)
            .ok_or_else(|| io::ErrorKind::NotFound.into())
    }
}

impl Database {
    fn forget_unflushed(&mut self) {
        if !self.unflushed.is_empty() {
            self.unflushed.clear();
            self.live = self.durable.clone();
        }
        self.refuses = false;
    }
}

fn path(number: Option<u64>) -> PathBuf {
    let home = PathBuf::from("faulty");
    number.map_or(home.clone(), |number| home.join(number.to_string()))
}

fn unreadable(number: u64) -> BackendError {
    let source = io::Error::new(io::ErrorKind::InvalidData, "checksum does not fit");
    BackendError::Read {
        path: path(Some(number)),
        source,
    }
}

/// A splitmix64 sequence.
struct Chance(u64);

impl Chance {
    /// A number below `end`; `None` if there is none.
    fn below(&mut self, end: usize) -> Option<usize> {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^= mixed >> 31;
        usize::try_from(mixed % u64::try_from(end).ok()?.max(1))
            .ok()
            .filter(|chosen| *chosen < end)
    }
}
