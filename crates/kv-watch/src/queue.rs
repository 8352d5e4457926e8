use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::Outgoing;
use crate::share::Share;
use crate::slab::Key;

/// Called when there is something to do. Must return at once, must not block, and must not call the hub.
pub type Waker = Arc<dyn Fn() + Send + Sync>;

/// Most answers to creates and cancels in one stream's queue. At this number no further request is taken, so
/// a client that does not read its answers is not read either.
pub(crate) const ANSWERS_MAX: usize = 128;

/// The outgoing side of one stream: filled by the hub, drained by whoever sends.
pub(crate) struct Queue {
    stream: Key,
    /// Most responses that are not answers to requests: events, progress, compaction.
    pushed_max: usize,
    share: Arc<Share>,
    state: Mutex<State>,
    consumer: Waker,
    drained: Arc<Drained>,
}

#[derive(Default)]
struct State {
    /// Answers and pushed responses in the one order in which they must be sent.
    responses: VecDeque<(Outgoing, usize)>,
    pushed: usize,
    pushed_bytes: usize,
    answers: usize,
    /// A watcher found no room and waits for the queue to drain.
    starved: bool,
}

/// The streams whose queues have drained since the hub last looked.
pub(crate) struct Drained {
    streams: Mutex<Vec<Key>>,
    work: Waker,
}

impl Drained {
    pub(crate) fn new(work: Waker) -> Self {
        Self {
            streams: Mutex::default(),
            work,
        }
    }

    pub(crate) fn take(&self) -> Vec<Key> {
        std::mem::take(&mut lock(&self.streams))
    }

    pub(crate) fn wake(&self) {
        (self.work)();
    }
}

impl Queue {
    pub(crate) fn new(
        stream: Key,
        pushed_max: usize,
        share: Arc<Share>,
        consumer: Waker,
        drained: Arc<Drained>,
    ) -> Self {
        Self {
            stream,
            pushed_max,
            share,
            state: Mutex::default(),
            consumer,
            drained,
        }
    }

    fn has_room(&self, state: &State) -> bool {
        state.pushed < self.pushed_max && state.pushed_bytes < self.share.pushed_bytes()
    }

    /// Whether enough has been sent for waiting watchers to go on. Half, so that they go on in batches.
    fn is_low(&self, state: &State) -> bool {
        state.pushed <= self.pushed_max / 2 && state.pushed_bytes <= self.share.pushed_bytes() / 2
    }

    /// Adds an answer to a request; the caller has checked [`Queue::takes_requests`], and only it adds answers.
    pub(crate) fn answer(&self, response: Outgoing) {
        let mut state = lock(&self.state);
        debug_assert!(state.answers < ANSWERS_MAX);
        state.answers += 1;
        self.add(state, response, 0);
    }

    /// Adds a response of this weight in bytes. If there is no room nothing is added, and the hub hears of it
    /// when there is.
    pub(crate) fn push(&self, response: Outgoing, bytes: usize) -> Result<(), Full> {
        let mut state = lock(&self.state);
        if !self.has_room(&state) {
            state.starved = true;
            return Err(Full);
        }
        state.pushed += 1;
        state.pushed_bytes += bytes;
        self.add(state, response, bytes);
        Ok(())
    }

    /// Adds a response that may as well be left out.
    pub(crate) fn push_if_room(&self, response: Outgoing) -> Result<(), Full> {
        let mut state = lock(&self.state);
        if !self.has_room(&state) {
            return Err(Full);
        }
        state.pushed += 1;
        self.add(state, response, 0);
        Ok(())
    }

    /// Whether there is room; if not, the hub hears of it when there is.
    pub(crate) fn reserve(&self) -> Result<(), Full> {
        let mut state = lock(&self.state);
        if self.has_room(&state) {
            return Ok(());
        }
        state.starved = true;
        Err(Full)
    }

    /// The consumer empties the queue whenever it is woken, so it sleeps only if the queue was empty.
    fn add(&self, mut state: MutexGuard<'_, State>, response: Outgoing, bytes: usize) {
        let sleeps = state.responses.is_empty();
        state.responses.push_back((response, bytes));
        drop(state);
        if sleeps {
            (self.consumer)();
        }
    }

    pub(crate) fn takes_requests(&self) -> bool {
        lock(&self.state).answers < ANSWERS_MAX
    }

    fn pop(&self) -> Option<Outgoing> {
        let mut state = lock(&self.state);
        let (response, bytes) = state.responses.pop_front()?;
        match response {
            Outgoing::Created { .. } | Outgoing::Rejected { .. } | Outgoing::Canceled { .. } => {
                state.answers -= 1;
            }
            Outgoing::Events { .. } | Outgoing::Progress { .. } | Outgoing::Compacted { .. } => {
                state.pushed -= 1;
                state.pushed_bytes -= bytes;
            }
        }
        let refill = state.starved && self.is_low(&state);
        if refill {
            state.starved = false;
        }
        drop(state);
        if refill {
            lock(&self.drained.streams).push(self.stream);
            self.drained.wake();
        }
        Some(response)
    }
}

impl fmt::Debug for Drained {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Drained")
            .field("streams", &lock(&self.streams))
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Queue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Queue")
            .field("stream", &self.stream)
            .finish_non_exhaustive()
    }
}

/// No room in a queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Full;

/// The end of a stream from which its responses are taken.
///
/// The stream's waker is called when the first response comes into an empty queue: after a wake, take until
/// there is none.
#[derive(Debug)]
pub struct StreamReceiver {
    queue: Arc<Queue>,
}

impl StreamReceiver {
    pub(crate) fn new(queue: Arc<Queue>) -> Self {
        Self { queue }
    }

    /// Takes the next response, if there is one.
    pub fn try_next(&self) -> Option<Outgoing> {
        self.queue.pop()
    }

    /// Whether requests may be read from the client. While this is false (too many answers wait to be sent) the
    /// hub refuses creates and cancels; it turns true only through [`StreamReceiver::try_next`].
    pub fn takes_requests(&self) -> bool {
        self.queue.takes_requests()
    }
}

/// Nothing is left half-done while a lock is held, so a panic elsewhere does not spoil what it protects.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
