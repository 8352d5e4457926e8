use std::collections::VecDeque;
use std::sync::{Arc, OnceLock};
use std::thread::{self, ThreadId};
use std::time::Duration;

use bytes::Bytes;
use parking_lot::{Condvar, Mutex, MutexGuard};

use crate::error::WriteError;
use crate::format::Record;
use crate::options::{Options, Wake};
use crate::stats::Meter;
use crate::storage::Storage;
use crate::view::View;
use crate::wal::Entry;

/// Called once, when a request is durable or will never be.
pub type Callback = Box<dyn FnOnce(Result<(), WriteError>) + Send>;

/// Whether a log takes writes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Health {
    /// It does.
    #[default]
    Good,
    /// The last attempt met a full disk. A later one that succeeds brings back [`Health::Good`].
    DiskFull,
    /// Not until it is opened anew; reads go on.
    Poisoned {
        /// What led to it.
        reason: Arc<str>,
    },
}

/// What the handles and the writer share.
pub(crate) struct Shared {
    inner: Mutex<Inner>,
    /// Signalled when there is something for the writer to do.
    work: Condvar,
    /// Called with it.
    wake: Option<Wake>,
    /// Signalled when the queue has become shorter.
    room: Condvar,
    /// Set once a thread writes; without one nobody may wait for room.
    writer: OnceLock<ThreadId>,
    pub(crate) storage: Arc<dyn Storage>,
    pub(crate) meter: Arc<Meter>,
    queue_bytes: usize,
}

pub(crate) struct Inner {
    pub(crate) view: View,
    // Invariant: `view` has taken each request in it, in order.
    pub(crate) queue: Queue,
    pub(crate) health: Health,
    pub(crate) retry: bool,
    pub(crate) closing: bool,
    /// Set when the writer has ended: how.
    pub(crate) end: Option<Result<(), WriteError>>,
}

#[derive(Default)]
pub(crate) struct Queue {
    pub(crate) requests: VecDeque<Request>,
    bytes: usize,
    /// Goes along with the next batch.
    pub(crate) committed: Option<Bytes>,
}

pub(crate) struct Request {
    pub(crate) work: Work,
    pub(crate) bytes: usize,
    pub(crate) done: Callback,
}

pub(crate) enum Work {
    Append(Vec<Entry>),
    Record(Record),
    Nothing,
}

impl Queue {
    pub(crate) fn push(&mut self, request: Request) {
        self.bytes += request.bytes;
        self.requests.push_back(request);
    }

    pub(crate) fn pop(&mut self) -> Option<Request> {
        let request = self.requests.pop_front()?;
        self.bytes -= request.bytes;
        Some(request)
    }
}

impl Inner {
    pub(crate) fn check_open(&self) -> Result<(), WriteError> {
        if self.closing || self.end.is_some() {
            return Err(WriteError::Closed);
        }
        match &self.health {
            Health::Poisoned { reason } => Err(WriteError::Poisoned {
                reason: reason.clone(),
            }),
            Health::Good | Health::DiskFull => Ok(()),
        }
    }
}

impl Shared {
    pub(crate) fn new(view: View, storage: Arc<dyn Storage>, meter: Arc<Meter>, options: &Options) -> Self {
        let inner = Inner {
            view,
            queue: Queue::default(),
            health: Health::Good,
            retry: false,
            closing: false,
            end: None,
        };
        Self {
            inner: Mutex::new(inner),
            work: Condvar::new(),
            wake: options.wake.clone(),
            room: Condvar::new(),
            writer: OnceLock::new(),
            storage,
            meter,
            queue_bytes: options.queue_bytes,
        }
    }

    pub(crate) fn notify_work(&self) {
        self.work.notify_one();
        if let Some(wake) = &self.wake {
            wake();
        }
    }

    /// Waits for [`Shared::notify_work`].
    pub(crate) fn wait_for_work(&self, inner: &mut MutexGuard<'_, Inner>) {
        self.work.wait(inner);
    }

    /// As [`Shared::wait_for_work`], but not longer than `patience`.
    pub(crate) fn wait_for_work_up_to(&self, inner: &mut MutexGuard<'_, Inner>, patience: Duration) {
        self.work.wait_for(inner, patience);
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock()
    }

    /// Waits until the queue has room for one more request.
    pub(crate) fn lock_with_room(&self) -> MutexGuard<'_, Inner> {
        let mut inner = self.inner.lock();
        let may_wait = self
            .writer
            .get()
            .is_some_and(|writer| *writer != thread::current().id());
        while may_wait && inner.queue.bytes > self.queue_bytes && inner.check_open().is_ok() {
            self.room.wait(&mut inner);
        }
        inner
    }

    pub(crate) fn notify_room(&self) {
        self.room.notify_all();
    }

    pub(crate) fn begin_close(&self) {
        self.lock().closing = true;
        self.notify_work();
        self.notify_room();
    }

    /// Makes the calling thread the writer.
    pub(crate) fn become_writer(&self) {
        self.writer.get_or_init(|| thread::current().id());
    }

    pub(crate) fn on_writer_thread(&self) -> bool {
        self.writer.get() == Some(&thread::current().id())
    }
}
