use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use tracing::{info, warn};

use crate::error::WriteError;
use crate::format::{Kind, Record};
use crate::log::{Committed, Log};
use crate::options::Options;
use crate::queue::{Callback, Health, Inner, Request, Shared, Work};
use crate::spares::{Spare, Spares};

/// The writing end of a log: takes what waits in the queue to disk with one write and one sync, then
/// calls the callbacks. [`Wal::open`](crate::Wal::open) runs it on a thread of its own;
/// [`Wal::open_manual`](crate::Wal::open_manual) hands it out, to be stepped by hand or run elsewhere.
///
/// Dropping it is like the death of the process: what waits is never written.
pub struct Driver {
    shared: Arc<Shared>,
    log: Log,
    upkeep: Upkeep,
    batch_bytes: usize,
    full_disk_retry: Option<Duration>,
    /// The batch being written. Not empty between two steps only while it waits for space.
    batch: Batch,
    committed: Committed,
    ended: bool,
}

/// Requests on their way to disk.
#[derive(Default)]
struct Batch {
    records: Vec<Record>,
    /// How many of the records are durable.
    synced: usize,
    /// Callbacks, each with the number of records that must be durable for it; ascending.
    waiting: VecDeque<(usize, Callback)>,
}

impl Batch {
    fn is_empty(&self) -> bool {
        self.waiting.is_empty() && self.records.is_empty()
    }

    fn take(&mut self, request: Request) {
        match request.work {
            Work::Append(entries) => self.records.extend(entries.into_iter().map(|entry| Record {
                kind: Kind::Entry,
                index: entry.index,
                payload: entry.payload,
            })),
            Work::Record(record) => self.records.push(record),
            Work::Nothing => {}
        }
        self.waiting.push_back((self.records.len(), request.done));
    }

    /// Takes the callbacks of the requests that are durable.
    fn take_done(&mut self) -> Vec<Callback> {
        let synced = self.synced;
        let done = self
            .waiting
            .iter()
            .take_while(|(records, _)| *records <= synced)
            .count();
        self.waiting.drain(..done).map(|(_, callback)| callback).collect()
    }

    fn clear(&mut self) {
        self.records.clear();
        self.synced = 0;
    }
}

impl Driver {
    pub(crate) fn new(shared: Arc<Shared>, log: Log, upkeep: Upkeep, options: Options) -> Self {
        Self {
            shared,
            log,
            upkeep,
            batch_bytes: options.batch_bytes,
            full_disk_retry: options.full_disk_retry,
            batch: Batch::default(),
            committed: Committed::default(),
            ended: false,
        }
    }

    /// Makes durable what waits, as one batch, completes it, and then looks after the segments. Returns
    /// whether there was anything to do.
    ///
    /// After [`Wal::close`](crate::Wal::close) the step that finds the queue empty closes the log.
    pub fn step(&mut self) -> bool {
        if self.ended || !self.fill_batch() {
            return false;
        }
        let result = self
            .log
            .commit(&self.batch.records[self.batch.synced..], &mut self.committed);
        let mut failed = Vec::new();
        let mut inner = self.shared.lock();
        let durable = self.batch.synced + self.committed.positions.len();
        inner
            .view
            .publish(&self.batch.records[self.batch.synced..durable], &self.committed);
        self.batch.synced = durable;
        let done = self.batch.take_done();
        match &result {
            Ok(()) if inner.health == Health::DiskFull && durable > 0 => {
                info!("log has space again");
                inner.health = Health::Good;
            }
            Ok(()) => {}
            Err(error) => {
                note(&mut inner, error);
                if self.full_disk_retry.is_none() || !error.is_no_space() || inner.closing {
                    failed = give_up(&mut inner, &mut self.batch, &self.log);
                }
            }
        }
        drop(inner);
        self.shared.notify_room();
        done.into_iter().for_each(|done| done(Ok(())));
        if let Err(error) = result {
            failed.into_iter().for_each(|done| done(Err(error.clone())));
            self.end_if_closing(Err(error));
        } else {
            let closed = self
                .batch
                .records
                .last()
                .is_some_and(|record| record.kind == Kind::Closed);
            self.batch.clear();
            if closed {
                self.end_if_closing(Ok(()));
            }
        }
        self.look_after_segments();
        true
    }

    /// Takes requests off the queue, unless a batch waits for space. Returns whether there is a batch.
    fn fill_batch(&mut self) -> bool {
        let mut inner = self.shared.lock();
        inner.retry = false;
        if !self.batch.is_empty() {
            return true;
        }
        let mut bytes = 0;
        while bytes < self.batch_bytes
            && let Some(request) = inner.queue.pop()
        {
            bytes += request.bytes;
            self.batch.take(request);
        }
        let closes = inner.closing && inner.queue.requests.is_empty();
        if (closes || !self.batch.records.is_empty())
            && let Some(committed) = inner.queue.committed.take()
        {
            self.batch.records.push(Record {
                kind: Kind::Committed,
                index: 0,
                payload: committed,
            });
        }
        if closes {
            self.batch.records.push(Record::plain(Kind::Closed, 0));
        }
        !self.batch.is_empty()
    }

    fn end_if_closing(&mut self, result: Result<(), WriteError>) {
        let mut inner = self.shared.lock();
        if inner.closing && inner.queue.requests.is_empty() && !self.ended {
            inner.end = Some(result);
            self.ended = true;
        }
    }

    fn look_after_segments(&mut self) {
        let purged = self.log.take_purged();
        if !purged.is_empty() {
            let mut inner = self.shared.lock();
            purged
                .iter()
                .for_each(|segment| inner.view.forget(segment.number));
        }
        for segment in purged {
            let name = crate::format::segment_name(segment.number);
            let spare = Spare {
                name,
                file: segment.file,
                capacity: segment.capacity,
                filled: segment.filled,
            };
            self.upkeep.run(Job::Retire(self.log.spares.clone(), spare));
        }
        if let Some(capacity) = self.log.wants_spare() {
            self.upkeep.run(Job::Prepare(self.log.spares.clone(), capacity));
        }
    }

    /// Writes what comes until the log is closed. For a thread of its own; callers of
    /// [`Wal::append`](crate::Wal::append) then wait for room in the queue.
    pub fn run(mut self) {
        self.shared.become_writer();
        while !self.ended {
            self.wait();
            self.step();
        }
    }

    pub(crate) fn spawn(self) -> io::Result<JoinHandle<()>> {
        thread::Builder::new()
            .name("wal".to_owned())
            .spawn(move || self.run())
    }

    fn wait(&self) {
        let mut inner = self.shared.lock();
        if let (Some(interval), false) = (self.full_disk_retry, self.batch.is_empty()) {
            if !inner.retry && !inner.closing {
                self.shared.wait_for_work_up_to(&mut inner, interval);
            }
            return;
        }
        while inner.queue.requests.is_empty() && !inner.closing {
            self.shared.wait_for_work(&mut inner);
        }
    }
}

/// Says why the log takes no writes at the moment.
fn note(inner: &mut Inner, error: &WriteError) {
    match error {
        WriteError::NoSpace { .. } if inner.health != Health::DiskFull => {
            warn!(%error, "log has no space");
            inner.health = Health::DiskFull;
        }
        WriteError::Poisoned { reason } => {
            inner.health = Health::Poisoned {
                reason: reason.clone(),
            }
        }
        _ => {}
    }
}

/// Forgets all that is not durable: the batch, and what was queued on top of it. Returns its callbacks.
fn give_up(inner: &mut Inner, batch: &mut Batch, log: &Log) -> Vec<Callback> {
    inner.view.roll_back(log.state());
    inner.queue.committed = None;
    let mut callbacks: Vec<Callback> = batch.waiting.drain(..).map(|(_, done)| done).collect();
    while let Some(request) = inner.queue.pop() {
        callbacks.push(request.done);
    }
    batch.clear();
    callbacks
}

impl Drop for Driver {
    fn drop(&mut self) {
        let mut inner = self.shared.lock();
        let abandoned = give_up(&mut inner, &mut self.batch, &self.log);
        inner.end.get_or_insert(Err(WriteError::Closed));
        drop(inner);
        self.shared.notify_room();
        abandoned
            .into_iter()
            .for_each(|done| done(Err(WriteError::Closed)));
    }
}

/// Work on segments that no request waits for.
pub(crate) enum Job {
    Prepare(Arc<Spares>, u64),
    Retire(Arc<Spares>, Spare),
}

impl Job {
    fn run(self) {
        match self {
            Self::Prepare(spares, capacity) => spares.prepare(capacity),
            Self::Retire(spares, spare) => spares.retire(spare),
        }
    }
}

/// Runs [`Job`]s: on a thread, so that filling and unlinking files does not hold up a batch, or in place.
pub(crate) struct Upkeep {
    jobs: Option<SyncSender<Job>>,
    thread: Option<JoinHandle<()>>,
}

impl Upkeep {
    /// Jobs that may wait. Beyond that the writer does them itself.
    const QUEUE: usize = 64;

    pub(crate) fn inline() -> Self {
        Self {
            jobs: None,
            thread: None,
        }
    }

    pub(crate) fn start() -> io::Result<Self> {
        let (jobs, queue): (_, Receiver<Job>) = sync_channel(Self::QUEUE);
        let run = move || queue.into_iter().for_each(Job::run);
        let thread = thread::Builder::new()
            .name("wal-segments".to_owned())
            .spawn(run)?;
        Ok(Self {
            jobs: Some(jobs),
            thread: Some(thread),
        })
    }

    fn run(&self, job: Job) {
        let refused = match &self.jobs {
            None => Some(job),
            Some(jobs) => match jobs.try_send(job) {
                Ok(()) => None,
                Err(TrySendError::Full(job) | TrySendError::Disconnected(job)) => Some(job),
            },
        };
        if let Some(job) = refused {
            job.run();
        }
    }
}

impl Drop for Upkeep {
    fn drop(&mut self) {
        self.jobs = None;
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            warn!("the thread for segments of the log panicked");
        }
    }
}
