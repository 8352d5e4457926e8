//! A disk in memory that loses what was not synced, fills up, and fails: for tests and simulations.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use parking_lot::{Mutex, MutexGuard};

use crate::storage::{Storage, StorageFile};

const PAGE: usize = 4096;
/// What a disk writes in one piece.
const SECTOR: usize = 512;

/// A [`Storage`] in memory that knows which pages and directory entries are durable.
///
/// Clones are the same disk. Opening a log again on it is the death of a process, after which the page
/// cache is still there; [`FaultyStorage::lose_power`] is that of the machine.
#[derive(Clone, Default)]
pub struct FaultyStorage {
    disk: Arc<Mutex<Disk>>,
}

#[derive(Default)]
struct Disk {
    inodes: BTreeMap<u64, Inode>,
    names: BTreeMap<String, u64>,
    durable_names: BTreeMap<String, u64>,
    /// Changes of the directory since it was last synced.
    unsynced: Vec<Change>,
    created: u64,
    free_pages: Option<u64>,
    /// Lowest bit first.
    failing_syncs: u64,
    changes_left: Option<u64>,
    allocates_nothing: bool,
    changes: u64,
    off: bool,
}

#[derive(Clone, Default)]
struct Inode {
    live: Vec<u8>,
    durable: Vec<u8>,
    /// Pages that differ and that the next sync writes. Those whose sync failed differ, too, but are
    /// clean in the page cache: no later sync writes them.
    dirty: BTreeSet<usize>,
}

#[derive(Clone)]
enum Change {
    Create(String, u64),
    Rename(String, String),
    Remove(String),
}

impl FaultyStorage {
    /// An empty disk of endless size.
    pub fn new() -> Self {
        Self::default()
    }

    /// Leaves room for `bytes` more, or any number.
    pub fn set_free(&self, bytes: Option<u64>) {
        self.disk.lock().free_pages = bytes.map(|bytes| bytes / PAGE as u64);
    }

    /// Behaves like a file system that gives space only to what is written.
    pub fn allocate_nothing(&self) {
        self.disk.lock().allocates_nothing = true;
    }

    /// Lets syncs of files fail: the nth from now if bit n of `pattern` is set. Some pages reach the disk
    /// then, others stay in the cache alone, and no later sync writes them.
    pub fn fail_syncs(&self, pattern: u64) {
        self.disk.lock().failing_syncs = pattern;
    }

    /// Switches the power off at the `count`th change from now: that one is half done, later calls fail.
    pub fn power_off_after(&self, count: u64) {
        self.disk.lock().changes_left = Some(count);
    }

    /// Whether the power is off.
    pub fn is_off(&self) -> bool {
        self.disk.lock().off
    }

    /// Changes (writes, syncs, changes of the directory) so far.
    pub fn changes(&self) -> u64 {
        self.disk.lock().changes
    }

    /// Switches the power off and returns the disk that the next start finds: each unsynced page is there,
    /// or not, or in parts, and so is each unsynced change of the directory.
    pub fn lose_power(&self, random: &mut Random) -> Self {
        let mut disk = self.disk.lock();
        disk.off = true;
        let mut names = disk.durable_names.clone();
        for change in &disk.unsynced {
            if random.below(2) == 0 {
                change.apply(&mut names);
            }
        }
        let kept = |inode: &u64, disk: &Disk| disk.inodes.get(inode).cloned().unwrap_or_default();
        let inodes: BTreeMap<u64, Inode> = names
            .values()
            .map(|inode| (*inode, kept(inode, &disk).after_power_loss(random)))
            .collect();
        let after = Disk {
            inodes,
            durable_names: names.clone(),
            names,
            created: disk.created,
            free_pages: disk.free_pages,
            allocates_nothing: disk.allocates_nothing,
            ..Disk::default()
        };
        Self {
            disk: Arc::new(Mutex::new(after)),
        }
    }

    /// The bytes of a file as a reader sees them.
    pub fn contents(&self, name: &str) -> Option<Vec<u8>> {
        let disk = self.disk.lock();
        Some(disk.inodes.get(disk.names.get(name)?)?.live.clone())
    }

    /// Replaces a file, durably: to put damage on the disk.
    pub fn replace(&self, name: &str, bytes: Vec<u8>) {
        let mut disk = self.disk.lock();
        disk.created += 1;
        let inode = disk.created;
        let content = Inode {
            live: bytes.clone(),
            durable: bytes,
            dirty: BTreeSet::new(),
        };
        disk.inodes.insert(inode, content);
        disk.names.insert(name.to_owned(), inode);
        disk.durable_names.insert(name.to_owned(), inode);
    }

    /// An independent disk with the same contents, all of them durable.
    pub fn copy(&self) -> Self {
        let copy = Self::new();
        let names: Vec<String> = self.disk.lock().names.keys().cloned().collect();
        for name in names {
            if let Some(bytes) = self.contents(&name) {
                copy.replace(&name, bytes);
            }
        }
        copy
    }

    fn on(&self) -> io::Result<MutexGuard<'_, Disk>> {
        let disk = self.disk.lock();
        if disk.off {
            Err(io::Error::other("the power is off"))
        } else {
            Ok(disk)
        }
    }
}

impl Disk {
    /// Counts a change. With an error the power goes off with it.
    fn change(&mut self) -> io::Result<()> {
        self.changes += 1;
        if let Some(left) = &mut self.changes_left {
            *left = left.saturating_sub(1);
            self.off = *left == 0;
        }
        if self.off {
            Err(io::Error::other("the power goes off"))
        } else {
            Ok(())
        }
    }

    fn inode(&mut self, inode: u64) -> &mut Inode {
        self.inodes.entry(inode).or_default()
    }

    fn apply(&mut self, change: Change) {
        let before: BTreeSet<u64> = self.names.values().copied().collect();
        change.apply(&mut self.names);
        self.unsynced.push(change);
        for inode in before {
            if !self.names.values().any(|named| *named == inode) {
                let pages = self.inode(inode).live.len().div_ceil(PAGE) as u64;
                self.free_pages = self.free_pages.map(|free| free + pages);
            }
        }
    }
}

impl Change {
    fn apply(&self, names: &mut BTreeMap<String, u64>) {
        match self {
            Self::Create(name, inode) => {
                names.insert(name.clone(), *inode);
            }
            Self::Rename(from, to) => {
                if let Some(inode) = names.remove(from) {
                    names.insert(to.clone(), inode);
                }
            }
            Self::Remove(name) => {
                names.remove(name);
            }
        }
    }
}

impl Inode {
    /// Some pages reach the disk, the others never will, and the cache thinks them clean.
    fn fail_sync(&mut self, random: &mut Random) {
        let kept = self
            .dirty
            .iter()
            .copied()
            .filter(|_| random.below(2) == 0)
            .collect();
        self.dirty = kept;
        self.sync();
    }

    fn sync(&mut self) {
        self.durable.resize(self.live.len(), 0);
        for page in std::mem::take(&mut self.dirty) {
            let range = page * PAGE..((page + 1) * PAGE).min(self.live.len());
            self.durable[range.clone()].copy_from_slice(&self.live[range]);
        }
    }

    fn after_power_loss(&self, random: &mut Random) -> Self {
        let mut durable = self.durable.clone();
        if self.live.len() > durable.len() && random.below(2) == 0 {
            durable.resize(self.live.len(), 0);
        }
        for page in &self.dirty {
            let fate = random.below(3);
            for start in (page * PAGE..(page + 1) * PAGE).step_by(SECTOR) {
                let end = (start + SECTOR).min(self.live.len()).min(durable.len());
                let written = fate == 0 || (fate == 1 && random.below(2) == 0);
                if written && start < end {
                    durable[start..end].copy_from_slice(&self.live[start..end]);
                }
            }
        }
        Self {
            live: durable.clone(),
            durable,
            dirty: BTreeSet::new(),
        }
    }
}

impl Storage for FaultyStorage {
    fn list(&self) -> io::Result<Vec<String>> {
        Ok(self.on()?.names.keys().cloned().collect())
    }

    fn create(&self, name: &str) -> io::Result<Arc<dyn StorageFile>> {
        let mut disk = self.on()?;
        if disk.names.contains_key(name) {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        disk.created += 1;
        let inode = disk.created;
        disk.apply(Change::Create(name.to_owned(), inode));
        disk.change()?;
        Ok(Arc::new(FaultyFile {
            storage: self.clone(),
            inode,
        }))
    }

    fn open(&self, name: &str) -> io::Result<Arc<dyn StorageFile>> {
        let inode = *self.on()?.names.get(name).ok_or(io::ErrorKind::NotFound)?;
        Ok(Arc::new(FaultyFile {
            storage: self.clone(),
            inode,
        }))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        let mut disk = self.on()?;
        if !disk.names.contains_key(from) {
            return Err(io::ErrorKind::NotFound.into());
        }
        disk.apply(Change::Rename(from.to_owned(), to.to_owned()));
        disk.change()
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        let mut disk = self.on()?;
        if !disk.names.contains_key(name) {
            return Err(io::ErrorKind::NotFound.into());
        }
        disk.apply(Change::Remove(name.to_owned()));
        disk.change()
    }

    fn sync_dir(&self) -> io::Result<()> {
        let mut disk = self.on()?;
        disk.change()?;
        disk.durable_names = disk.names.clone();
        disk.unsynced.clear();
        Ok(())
    }

    fn path(&self, name: &str) -> PathBuf {
        PathBuf::from(name)
    }
}

struct FaultyFile {
    storage: FaultyStorage,
    inode: u64,
}

impl StorageFile for FaultyFile {
    fn length(&self) -> io::Result<u64> {
        Ok(self.storage.on()?.inode(self.inode).live.len() as u64)
    }

    fn allocate(&self, length: u64) -> io::Result<bool> {
        let mut disk = self.storage.on()?;
        if disk.allocates_nothing {
            return Ok(false);
        }
        let wanted = length.div_ceil(PAGE as u64);
        if disk.free_pages.is_some_and(|free| free < wanted) {
            return Err(io::ErrorKind::StorageFull.into());
        }
        disk.free_pages = disk.free_pages.map(|free| free - wanted);
        // Space that was never written to is zeros, whatever of it a power loss leaves: no page is dirty.
        disk.inode(self.inode).live.resize(to_usize(length)?, 0);
        disk.change()?;
        Ok(true)
    }

    fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        let mut disk = self.storage.on()?;
        let start = to_usize(offset)?;
        let live = &disk.inode(self.inode).live;
        let from = live.get(start..).and_then(|rest| rest.get(..buffer.len()));
        buffer.copy_from_slice(from.ok_or(io::ErrorKind::UnexpectedEof)?);
        Ok(())
    }

    fn write_all_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        let mut disk = self.storage.on()?;
        let start = to_usize(offset)?;
        let mut end = start + bytes.len();
        let allocated = disk.inode(self.inode).live.len().div_ceil(PAGE);
        let mut full = false;
        if let Some(free) = disk.free_pages {
            let wanted = end.div_ceil(PAGE).saturating_sub(allocated) as u64;
            let taken = wanted.min(free);
            full = taken < wanted;
            if full {
                end = end.min((allocated + to_usize(taken)?) * PAGE).max(start);
            }
            disk.free_pages = Some(free - taken);
        }
        let inode = disk.inode(self.inode);
        if inode.live.len() < end {
            inode.live.resize(end, 0);
        }
        inode.live[start..end].copy_from_slice(&bytes[..end - start]);
        inode.dirty.extend(start / PAGE..end.div_ceil(PAGE));
        disk.change()?;
        if full {
            Err(io::ErrorKind::StorageFull.into())
        } else {
            Ok(())
        }
    }

    fn sync_data(&self) -> io::Result<()> {
        let mut disk = self.storage.on()?;
        disk.change()?;
        let fails = disk.failing_syncs & 1 == 1;
        disk.failing_syncs >>= 1;
        if fails {
            let mut random = Random::new(disk.changes);
            disk.inode(self.inode).fail_sync(&mut random);
            return Err(io::Error::other("the disk failed to write"));
        }
        disk.inode(self.inode).sync();
        Ok(())
    }
}

fn to_usize(number: u64) -> io::Result<usize> {
    usize::try_from(number).map_err(io::Error::other)
}

/// Random numbers from a seed: the same seed, the same numbers (splitmix64).
#[derive(Clone, Debug)]
pub struct Random(u64);

impl Random {
    /// Starts from `seed`.
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// Any number.
    pub fn next_u64(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `limit`, which is not zero.
    pub fn below(&mut self, limit: u64) -> u64 {
        self.next_u64() % limit
    }
}
