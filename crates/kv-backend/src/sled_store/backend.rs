use std::fs;
use std::io;
use std::ops::{Bound, ControlFlow};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Instant;

use bytes::Bytes;
use parking_lot::{Mutex, RwLock};

use super::engine::{self, Db};
use super::generations::Generations;
use super::readers::{Readers, Stopped};
use super::unflushed::Unflushed;
use crate::{Backend, BackendError, Batch, OpenError, Visit};

/// Bytes a scan takes over before it lets the writer in again.
const SCAN_CHUNK_BYTES: usize = 1024 * 1024;
/// A changed pair makes sled write its whole leaf, in a slot of the next larger size.
const SPACE_FACTOR: u64 = 4;
/// Each failed flush leaks a cache and a thread, so there is an end to it.
const RESCUES_MAX: u32 = 8;

/// One generation, open.
///
/// `unflushed` holds what was written since the last flush; sled gets it only within [`flush`](Backend::flush),
/// under the writer's lock. Readers ask `unflushed` first and sled then: whatever leaves the one is in the other.
pub(super) struct SledBackend {
    generations: Arc<Generations>,
    unflushed: RwLock<Unflushed>,
    readers: Readers,
    writer: Mutex<Writer>,
    /// Where it is, for error messages and sizes; changes when it is rescued.
    dir: RwLock<PathBuf>,
    /// Another generation is current: the files go with the last handle.
    obsolete: AtomicBool,
}

struct Writer {
    number: u64,
    /// Nothing in it is unflushed outside of a flush.
    engine: Engine,
    /// Bytes given to sled since it was opened: it keeps them all in memory.
    written: u64,
    refuses: bool,
    rescues: u32,
}

enum Engine {
    Open(Db),
    /// A flush or a read has failed: it must not be used, nor dropped.
    Failed(Db),
    /// It could not be opened again.
    Closed,
}

impl SledBackend {
    pub(super) fn new(generations: Arc<Generations>, number: u64, db: Db) -> Arc<SledBackend> {
        let threads = thread::available_parallelism().map_or(2, usize::from);
        let readers = Readers::new(threads.clamp(2, 8));
        readers.stop().resume(&db);
        Arc::new(SledBackend {
            dir: RwLock::new(generations.dir(number)),
            generations,
            unflushed: RwLock::default(),
            readers,
            writer: Mutex::new(Writer {
                number,
                engine: Engine::Open(db),
                written: 0,
                refuses: false,
                rescues: 0,
            }),
            obsolete: AtomicBool::new(false),
        })
    }

    /// Its files are removed when the last handle is dropped.
    pub(super) fn set_obsolete(&self) {
        self.obsolete.store(true, Ordering::Relaxed);
    }

    fn path(&self) -> PathBuf {
        self.dir.read().clone()
    }

    fn read_error(&self, source: io::Error) -> BackendError {
        BackendError::Read {
            path: self.path(),
            source,
        }
    }

    /// Moves what is unflushed into sled and flushes that.
    fn flush_engine(&self, writer: &mut Writer) -> io::Result<()> {
        let unflushed = self.unflushed.read();
        self.check_space(unflushed.bytes())?;
        let Engine::Open(db) = &writer.engine else {
            return Err(closed());
        };
        // A failed read of some reader makes sled refuse all else until it is opened again.
        let result = db.check_error().and_then(|()| {
            engine::apply(db, unflushed.changes())?;
            db.flush().map(drop)
        });
        writer.written += unflushed.bytes() as u64;
        drop(unflushed);
        if result.is_err() {
            writer.fail();
        }
        result
    }

    /// An error if flushing `bytes` may leave too little space.
    fn check_space(&self, bytes: usize) -> io::Result<()> {
        let needed = (bytes as u64 * SPACE_FACTOR).saturating_add(self.generations.free_bytes_min());
        let free = self.generations.free_bytes()?;
        if free < needed {
            let message = format!("{free} bytes are free, {needed} needed");
            return Err(io::Error::new(io::ErrorKind::StorageFull, message));
        }
        Ok(())
    }

    /// Closes sled and opens it again, which gives back the memory of all it has written. Readers wait.
    fn reopen_engine(&self, writer: &mut Writer) -> Result<(), OpenError> {
        let begin = Instant::now();
        let Engine::Open(db) = &writer.engine else {
            return Ok(());
        };
        let dir = self.path();
        if self.check_space(0).is_err() || !engine::settle(db).map_err(OpenError::io("flush", &dir))? {
            // After a later flush, then.
            return Ok(());
        }
        // Opening, sled starts the `sync` command, twice, which waits for all that is dirty on any disk. Done before,
        // readers need not wait for it.
        rustix::fs::sync();
        let mut stopped = self.readers.stop();
        drop(stopped.take());
        drop(std::mem::replace(&mut writer.engine, Engine::Closed));
        writer.enter(engine::open(&dir, self.generations.cache_bytes())?, stopped);
        let elapsed_ms = u64::try_from(begin.elapsed().as_millis()).unwrap_or(u64::MAX);
        tracing::debug!(elapsed_ms, "backend reopened");
        Ok(())
    }

    /// Opens the files of a failed sled under another name.
    fn rescue(&self, writer: &mut Writer) -> Result<(), OpenError> {
        let mut stopped = self.readers.stop();
        stopped.take().into_iter().for_each(engine::leak);
        if let Engine::Failed(db) = std::mem::replace(&mut writer.engine, Engine::Closed) {
            writer.rescues += 1;
            engine::leak(db);
        }
        if writer.rescues > RESCUES_MAX {
            let source = io::Error::other("flushes have failed too often, restart");
            return Err(OpenError::io("reopen", &self.path())(source));
        }
        let number = self.generations.adopt(writer.number)?;
        let dir = self.generations.dir(number);
        writer.number = number;
        self.dir.write().clone_from(&dir);
        writer.enter(engine::open(&dir, self.generations.cache_bytes())?, stopped);
        tracing::warn!(path = %dir.display(), "backend reopened after a failure");
        Ok(())
    }
}

impl Writer {
    fn enter(&mut self, db: Db, readers: Stopped<'_>) {
        readers.resume(&db);
        self.engine = Engine::Open(db);
        self.written = 0;
    }

    fn fail(&mut self) {
        if let Engine::Open(db) = std::mem::replace(&mut self.engine, Engine::Closed) {
            self.engine = Engine::Failed(db);
        }
    }
}

impl Backend for SledBackend {
    fn get(&self, key: &[u8]) -> Result<Option<Bytes>, BackendError> {
        if let Some(change) = self.unflushed.read().get(key) {
            return Ok(change);
        }
        let value = self
            .readers
            .with(|db| db.get(key))
            .unwrap_or_else(|| Err(closed()));
        // The value is shared with sled's cache, not copied.
        Ok(value
            .map_err(|error| self.read_error(error))?
            .map(Bytes::from_owner))
    }

    fn scan(&self, from: &[u8], to: &[u8], visit: Visit<'_>) -> Result<(), BackendError> {
        let mut from = Bytes::copy_from_slice(from);
        while from[..] < *to {
            let (pairs, rest) = self
                .scan_chunk(&from, to)
                .map_err(|error| self.read_error(error))?;
            for (key, value) in &pairs {
                if visit(key, value).is_break() {
                    return Ok(());
                }
            }
            match rest {
                Some(rest) => from = rest,
                None => break,
            }
        }
        Ok(())
    }

    fn write(&self, batch: Batch) -> Result<(), BackendError> {
        if self.writer.lock().refuses {
            return Err(BackendError::Refused { path: self.path() });
        }
        self.unflushed.write().apply(batch.into_changes());
        Ok(())
    }

    fn flush(&self) -> Result<(), BackendError> {
        let writer = &mut *self.writer.lock();
        if writer.refuses {
            return Err(BackendError::Refused { path: self.path() });
        }
        if self.unflushed.read().is_empty() {
            return Ok(());
        }
        if let Err(source) = self.flush_engine(writer) {
            writer.refuses = true;
            let path = self.path();
            if let Engine::Failed(_) = writer.engine
                && let Err(error) = self.rescue(writer)
            {
                tracing::error!(%error, "backend unreadable after a failed flush");
            }
            return Err(BackendError::Flush { path, source });
        }
        self.unflushed.write().clear();
        if writer.written >= self.generations.reopen_bytes()
            && let Err(error) = self.reopen_engine(writer)
        {
            // What was flushed is durable, so this flush has succeeded. Reads fail until it is rescued.
            tracing::error!(%error, "backend not reopened");
            writer.fail();
            writer.refuses = true;
        }
        Ok(())
    }

    fn reopen(&self) -> Result<(), OpenError> {
        let writer = &mut *self.writer.lock();
        if !writer.refuses {
            return Ok(());
        }
        self.check_space(0)
            .map_err(OpenError::io("reopen", &self.path()))?;
        if !matches!(writer.engine, Engine::Open(_)) {
            self.rescue(writer)?;
        }
        self.unflushed.write().clear();
        writer.refuses = false;
        Ok(())
    }

    fn size_on_disk(&self) -> Result<u64, BackendError> {
        size_of(&self.path()).map_err(|error| self.read_error(error))
    }
}

type Pairs = Vec<(Bytes, Bytes)>;

impl SledBackend {
    /// The pairs from `from` on up to `to` or as many as make a chunk, and where to go on.
    fn scan_chunk(&self, from: &[u8], to: &[u8]) -> io::Result<(Pairs, Option<Bytes>)> {
        // Keeps flushes out: an iterator flushes too when it is dropped.
        let mut writer = self.writer.lock();
        let Engine::Open(db) = &writer.engine else {
            return Err(closed());
        };
        let mut pairs = Pairs::new();
        let mut bytes = 0;
        let mut rest = None;
        let scanned = engine::scan(db, from, |key, value| {
            if key[..] >= *to {
                return ControlFlow::Break(());
            }
            if bytes >= SCAN_CHUNK_BYTES {
                rest = Some(Bytes::from_owner(key));
                return ControlFlow::Break(());
            }
            bytes += key.len() + value.len();
            pairs.push((Bytes::from_owner(key), Bytes::from_owner(value)));
            ControlFlow::Continue(())
        });
        if scanned.is_err() {
            writer.fail();
        }
        scanned?;
        let end = Bound::Excluded(rest.as_deref().unwrap_or(to));
        let unflushed = self.unflushed.read();
        Ok((overlay(pairs, unflushed.range(from, end)), rest))
    }
}

/// `pairs` with `changes` made, both in key order.
fn overlay<'a>(pairs: Pairs, changes: impl Iterator<Item = (&'a Bytes, &'a Option<Bytes>)>) -> Pairs {
    let mut changes = changes.peekable();
    if changes.peek().is_none() {
        return pairs;
    }
    let mut merged = Pairs::with_capacity(pairs.len());
    let mut pairs = pairs.into_iter().peekable();
    loop {
        let change_first = match (pairs.peek(), changes.peek()) {
            (Some((stored, _)), Some((changed, _))) => *changed <= stored,
            (None, Some(_)) => true,
            (_, None) => break,
        };
        if !change_first {
            merged.extend(pairs.next());
            continue;
        }
        if let Some((key, value)) = changes.next() {
            pairs.next_if(|(stored, _)| stored == key);
            merged.extend(value.clone().map(|value| (key.clone(), value)));
        }
    }
    merged.extend(pairs);
    merged
}

impl Drop for SledBackend {
    fn drop(&mut self) {
        let mut handles = self.readers.stop().take();
        let engine = std::mem::replace(&mut self.writer.get_mut().engine, Engine::Closed);
        match engine {
            Engine::Open(db) if engine::settle(&db).is_ok_and(|at_rest| at_rest) => handles.push(db),
            Engine::Open(db) | Engine::Failed(db) => {
                engine::leak(db);
                handles.drain(..).for_each(engine::leak);
            }
            Engine::Closed => handles.drain(..).for_each(engine::leak),
        }
        drop(handles);
        if self.obsolete.load(Ordering::Relaxed) {
            self.generations.remove(self.writer.get_mut().number);
        }
    }
}

fn closed() -> io::Error {
    io::Error::other("closed after a failure")
}

fn size_of(dir: &Path) -> io::Result<u64> {
    let mut bytes = 0;
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        // A file may go between being listed and being looked at.
        bytes += match entry.metadata() {
            Ok(metadata) if metadata.is_dir() => size_of(&entry.path())?,
            Ok(metadata) => metadata.len(),
            Err(error) if error.kind() == io::ErrorKind::NotFound => 0,
            Err(error) => return Err(error),
        };
    }
    Ok(bytes)
}
