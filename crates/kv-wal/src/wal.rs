use std::ops::Range;
use std::path::Path;
use std::sync::Arc;
use std::thread::JoinHandle;

use bytes::Bytes;
use parking_lot::Mutex;

use crate::driver::{Driver, Upkeep};
use crate::error::{OpenError, ReadError, WriteError};
use crate::format::{decode, segment_name};
use crate::log::Log;
use crate::options::Options;
use crate::queue::{Callback, Health, Inner, Request, Shared, Work};
use crate::recovery::Recovered;
use crate::state::State;
use crate::stats::{Meter, Stats};
use crate::storage::{DirStorage, Storage};
use crate::view::{Run, View};

/// One entry of the log. The log does not look into the payload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its index; indexes of consecutive entries are consecutive.
    pub index: u64,
    /// Its bytes. Kept in memory as they are for a while: a slice of a large buffer keeps all of it alive.
    pub payload: Bytes,
}

/// A handle to an open log; clones share it. The last one dropped closes the log, as [`Wal::close`] does.
///
/// Each request is readable at once and durable when its callback gets `Ok`. Callbacks are called in the
/// order of the requests on the log's thread (a request that is refused outright: on the caller's), and
/// must be quick: the next write waits for them.
#[derive(Clone)]
pub struct Wal {
    handle: Arc<Handle>,
}

struct Handle {
    shared: Arc<Shared>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl Wal {
    /// Opens the log in `dir`, creates it if there is none, and starts its threads. All that
    /// [`Recovered`] tells is durable.
    ///
    /// The caller makes sure that no other process uses the directory.
    ///
    /// # Errors
    /// See [`OpenError`].
    pub fn open(dir: &Path, options: Options) -> Result<(Self, Recovered), OpenError> {
        let storage = DirStorage::open(dir).map_err(|source| OpenError::Io {
            action: "open log directory",
            file: dir.to_owned(),
            source,
        })?;
        Self::open_in(Arc::new(storage), options)
    }

    /// As [`Wal::open`], in a storage of the caller's.
    ///
    /// # Errors
    /// See [`OpenError`].
    pub fn open_in(storage: Arc<dyn Storage>, options: Options) -> Result<(Self, Recovered), OpenError> {
        let directory = storage.path("");
        let io = |action| {
            let file = directory.clone();
            move |source| OpenError::Io { action, file, source }
        };
        let upkeep = Upkeep::start().map_err(io("start the thread for segments of log"))?;
        let (wal, driver, recovered) = Self::open_on(storage, options, upkeep)?;
        let thread = driver.spawn().map_err(io("start the thread of log"))?;
        *wal.handle.thread.lock() = Some(thread);
        Ok((wal, recovered))
    }

    /// Opens a log without threads, for tests and simulations: nothing is written until
    /// [`Driver::step`] is called.
    ///
    /// # Errors
    /// See [`OpenError`].
    pub fn open_manual(
        storage: Arc<dyn Storage>,
        options: Options,
    ) -> Result<(Self, Driver, Recovered), OpenError> {
        Self::open_on(storage, options, Upkeep::inline())
    }

    fn open_on(
        storage: Arc<dyn Storage>,
        options: Options,
        upkeep: Upkeep,
    ) -> Result<(Self, Driver, Recovered), OpenError> {
        let options = options.rounded();
        let meter = Arc::new(Meter::new(options.observer.clone()));
        let (log, index, recovered) = Log::open(storage.clone(), &options, meter.clone())?;
        let view = View::new(
            recovered.state.clone(),
            index,
            log.segments(),
            options.cache_bytes,
        );
        let shared = Arc::new(Shared::new(view, storage, meter, &options));
        let driver = Driver::new(shared.clone(), log, upkeep, options);
        let handle = Arc::new(Handle {
            shared,
            thread: Mutex::new(None),
        });
        Ok((Self { handle }, driver, recovered))
    }

    /// Appends entries, which must follow the last one (a log that is empty and was never purged takes
    /// any first index). Waits while more than `queue_bytes` are queued.
    pub fn append(&self, entries: Vec<Entry>, done: Callback) {
        let bytes = entries
            .iter()
            .map(|entry| entry.payload.len() + size_of::<Entry>())
            .sum();
        let mut inner = self.shared().lock_with_room();
        let taken = inner.check_open().and_then(|()| inner.view.append(&entries));
        self.enqueue(inner, taken.map(|()| Work::Append(entries)), bytes, done);
    }

    /// Replaces the vote.
    pub fn save_vote(&self, vote: Bytes, done: Callback) {
        let mut inner = self.shared().lock();
        let taken = inner.check_open().and_then(|()| inner.view.save_vote(vote));
        self.enqueue(inner, taken.map(Work::Record), 0, done);
    }

    /// Replaces the committed index, which becomes durable with the next request or on closing: a crash
    /// may bring an older one back. Ignored when the log takes no writes.
    ///
    /// # Errors
    /// [`WriteError::TooLarge`], [`WriteError::Poisoned`], [`WriteError::Closed`].
    pub fn save_committed(&self, committed: Bytes) -> Result<(), WriteError> {
        let mut inner = self.shared().lock();
        inner.check_open()?;
        inner.view.save_committed(committed.clone())?;
        inner.queue.committed = Some(committed);
        Ok(())
    }

    /// Drops the entries after `index`, or all with `None`.
    pub fn truncate_after(&self, index: Option<u64>, done: Callback) {
        let end = index.map_or(0, |index| index.saturating_add(1));
        let mut inner = self.shared().lock();
        let taken = inner.check_open().map(|()| inner.view.truncate(end));
        self.enqueue(
            inner,
            taken.map(|record| record.map_or(Work::Nothing, Work::Record)),
            0,
            done,
        );
    }

    /// Drops the entries up to `up_to` and stores `marker` as [`State::purged`]. Beyond the last entry it
    /// leaves the log empty, to go on after `up_to`. What was purged before stays as it is. Disk space
    /// comes back when all entries of a segment are purged.
    pub fn purge(&self, up_to: u64, marker: Bytes, done: Callback) {
        let mut inner = self.shared().lock();
        let taken = inner.check_open().and_then(|()| inner.view.purge(up_to, marker));
        self.enqueue(
            inner,
            taken.map(|record| record.map_or(Work::Nothing, Work::Record)),
            0,
            done,
        );
    }

    /// Completes `done` when all earlier requests are durable.
    pub fn barrier(&self, done: Callback) {
        let inner = self.shared().lock();
        let open = inner.check_open();
        self.enqueue(inner, open.map(|()| Work::Nothing), 0, done);
    }

    fn enqueue(
        &self,
        mut inner: parking_lot::MutexGuard<'_, Inner>,
        work: Result<Work, WriteError>,
        bytes: usize,
        done: Callback,
    ) {
        match work {
            Ok(work) => {
                inner.queue.push(Request { work, bytes, done });
                drop(inner);
                self.shared().notify_work();
            }
            Err(error) => {
                drop(inner);
                done(Err(error));
            }
        }
    }

    /// The entries of `range` that exist, durable or not; fewer when their payloads would exceed
    /// `bytes_max` together, but at least one. Recent ones come from memory, others from disk.
    ///
    /// # Errors
    /// See [`ReadError`].
    pub fn read(&self, range: Range<u64>, bytes_max: usize) -> Result<Vec<Entry>, ReadError> {
        loop {
            let plan = self.shared().lock().view.plan(range.clone(), bytes_max)?;
            let mut entries = Vec::new();
            match plan
                .runs
                .iter()
                .try_for_each(|run| self.read_run(run, &mut entries))
            {
                Ok(()) => {
                    entries.extend(plan.recent);
                    return Ok(entries);
                }
                // Truncated, purged or moved meanwhile: the segment may be in use again.
                Err(Unread { stale: true, .. }) => {}
                Err(Unread { error, .. }) => return Err(error),
            }
        }
    }

    /// As [`Wal::read`] but without touching the disk: `None` if an entry is not in memory.
    ///
    /// # Errors
    /// [`ReadError::Purged`].
    pub fn read_cached(&self, range: Range<u64>, bytes_max: usize) -> Result<Option<Vec<Entry>>, ReadError> {
        let plan = self.shared().lock().view.plan(range, bytes_max)?;
        Ok(plan.runs.is_empty().then_some(plan.recent))
    }

    fn read_run(&self, run: &Run, entries: &mut Vec<Entry>) -> Result<(), Unread> {
        let (first, last) = (run.positions[0], run.positions[run.positions.len() - 1]);
        let segment = first.segment;
        let file = || self.shared().storage.path(&segment_name(segment));
        let mut bytes = vec![0; usize::try_from(last.end() - first.offset()).unwrap_or(usize::MAX)];
        run.file
            .read_exact_at(&mut bytes, first.offset())
            .map_err(|source| Unread {
                stale: false,
                error: ReadError::Io { file: file(), source },
            })?;
        let bytes = Bytes::from(bytes);
        for (index, position) in (run.first..).zip(&run.positions) {
            let offset = position.offset();
            let rest = bytes.slice(usize::try_from(offset - first.offset()).unwrap_or(usize::MAX)..);
            match decode(&rest, segment, offset) {
                Some(found) if found.index == index => {
                    let payload = rest.slice_ref(found.payload);
                    entries.push(Entry { index, payload });
                }
                _ => {
                    let stale = !self.shared().lock().view.is_at(index, *position);
                    let error = ReadError::Damaged {
                        file: file(),
                        offset,
                        index,
                    };
                    return Err(Unread { stale, error });
                }
            }
        }
        Ok(())
    }

    /// What the log holds, durable or not.
    pub fn state(&self) -> State {
        self.shared().lock().view.state().clone()
    }

    /// Index of the first entry and one past the last; cheaper than [`Wal::state`].
    pub fn range(&self) -> Range<u64> {
        let inner = self.shared().lock();
        inner.view.state().first..inner.view.state().end
    }

    /// Whether the log takes writes.
    pub fn health(&self) -> Health {
        self.shared().lock().health.clone()
    }

    /// With `full_disk_retry`: tries again at once to write what waits for space.
    pub fn retry(&self) {
        self.shared().lock().retry = true;
        self.shared().notify_work();
    }

    /// Counts and durations since the log was opened.
    pub fn stats(&self) -> Stats {
        self.shared().meter.stats()
    }

    /// Takes no more requests, finishes those that wait, and marks the log as closed in order, which lets
    /// the next recovery tell any damage from a torn write. A log without threads does this in the next
    /// [`Driver::step`].
    ///
    /// # Errors
    /// What kept the last requests or the mark from becoming durable.
    pub fn close(&self) -> Result<(), WriteError> {
        self.handle.close()
    }

    fn shared(&self) -> &Shared {
        &self.handle.shared
    }
}

impl Handle {
    fn close(&self) -> Result<(), WriteError> {
        self.shared.begin_close();
        // A callback that drops the last handle runs on the thread, which cannot wait for itself.
        if !self.shared.on_writer_thread()
            && let Some(thread) = self.thread.lock().take()
            && thread.join().is_err()
        {
            return Err(WriteError::Poisoned {
                reason: "the thread of the log panicked".into(),
            });
        }
        self.shared.lock().end.clone().unwrap_or(Ok(()))
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        if let Err(error) = self.close() {
            tracing::warn!(%error, "log was not closed in order");
        }
    }
}

/// A read that found something else than the entry.
struct Unread {
    /// The entry is no longer there; look where it is now.
    stale: bool,
    error: ReadError,
}
