use std::fmt::Debug;
use std::future::Future;
use std::io;
use std::ops::{Bound, Range, RangeBounds};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::Stream;
use futures_util::stream;
use openraft::storage::{IOFlushed, LogState, RaftLogReader, RaftLogStorage};
use parking_lot::Mutex;
use tokio::sync::oneshot;

use super::LogSize;
use super::pending::{Finished, Pending, Request};
use crate::codec;
use crate::journal::{Journal, JournalError, Record};
use crate::types::{Entry, LogId, TypeConfig, Vote};

/// Most bytes of entries in one read, and so in one append message, unless a single entry has more.
const READ_BYTES: usize = 1024 * 1024;

/// openraft's log storage and reader. Clones share everything.
#[derive(Clone)]
pub(crate) struct LogStore {
    shared: Arc<Shared>,
}

struct Shared {
    journal: Arc<dyn Journal>,
    /// Held while a request is queued and sent, so that both happen in the same order. Never taken by a callback of
    /// the journal.
    sending: Mutex<()>,
    state: Mutex<State>,
}

struct State {
    pending: Pending,
    vote: Option<Vote>,
    committed: Option<LogId>,
    purged: Option<LogId>,
    last: Option<LogId>,
    size: LogSize,
}

impl LogStore {
    /// Reads what `journal` holds.
    pub(crate) fn open(journal: Arc<dyn Journal>) -> io::Result<Self> {
        let found = journal.state();
        let purged = found.purged.map(codec::decode_log_id).transpose()?;
        let last = match found.last {
            Some(index) => Some(read_entry(&*journal, index)?.log_id),
            None => purged,
        };
        let state = State {
            pending: Pending::default(),
            vote: found.vote.map(codec::decode_vote).transpose()?,
            committed: found.committed.map(codec::decode_log_id).transpose()?,
            purged,
            last,
            size: LogSize::default(),
        };
        let shared = Shared {
            journal,
            sending: Mutex::new(()),
            state: Mutex::new(state),
        };
        Ok(Self {
            shared: Arc::new(shared),
        })
    }

    fn request(&self, request: Request, finished: Finished, note: impl FnOnce(&mut State)) {
        let _sending = self.shared.sending.lock();
        let pushed = {
            let mut state = self.shared.state.lock();
            note(&mut state);
            state.pending.push(&request, finished)
        };
        match pushed {
            Ok(true) => self.send(request),
            Ok(false) => {}
            Err((finished, reason)) => finished(Err(reason)),
        }
    }

    fn send(&self, request: Request) {
        let shared = Arc::clone(&self.shared);
        request.send(
            &*self.shared.journal,
            Box::new(move |result| shared.answered(result)),
        );
    }

    /// Makes requests again that a full disk refused. Called now and then.
    pub(crate) fn retry(&self) {
        let _sending = self.shared.sending.lock();
        let requests = self.shared.state.lock().pending.again();
        for request in requests {
            self.send(request);
        }
    }

    /// Whether the disk is full.
    pub(crate) fn is_full(&self) -> bool {
        self.shared.state.lock().pending.is_full()
    }

    /// Bytes of entries that are not durable.
    pub(crate) fn pending_bytes(&self) -> usize {
        self.shared.state.lock().pending.bytes()
    }

    /// For how long the oldest request has not been durable.
    pub(crate) fn stalled_for(&self) -> Duration {
        let oldest = self.shared.state.lock().pending.oldest();
        oldest.map_or(Duration::ZERO, |since| {
            Instant::now().saturating_duration_since(since)
        })
    }

    /// How far the log is purged.
    pub(crate) fn purged(&self) -> Option<LogId> {
        self.shared.state.lock().purged
    }

    /// Bytes of entries after `index`, roughly.
    pub(crate) fn bytes_since(&self, index: u64) -> u64 {
        self.shared.state.lock().size.since(index)
    }

    /// An index after which at most `bytes` of entries follow up to `index`, roughly.
    pub(crate) fn start_of_tail(&self, index: u64, bytes: u64) -> Option<u64> {
        self.shared.state.lock().size.start_of_tail(index, bytes)
    }

    /// Reads entries of `range` from its start: at most about [`READ_BYTES`], but at least one if there is any.
    async fn read(&self, range: Range<u64>) -> io::Result<Vec<Entry>> {
        if range.is_empty() {
            return Ok(Vec::new());
        }
        let shared = Arc::clone(&self.shared);
        let records = if shared.is_in_memory(range.start) {
            shared.read(range)?
        } else {
            tokio::task::spawn_blocking(move || shared.read(range))
                .await
                .map_err(io::Error::other)??
        };
        records.into_iter().map(decode).collect()
    }

    /// Waits for the journal's answer to a request.
    fn finished() -> (Finished, impl Future<Output = io::Result<()>>) {
        let (sender, receiver) = oneshot::channel();
        let finished: Finished = Box::new(move |result| drop(sender.send(result)));
        let wait = async move {
            match receiver.await {
                Ok(result) => result.map_err(io::Error::other),
                Err(_) => Err(io::Error::other("the log was closed")),
            }
        };
        (finished, wait)
    }
}

impl Shared {
    fn answered(&self, result: Result<(), JournalError>) {
        let told = self.state.lock().pending.answer(result);
        for (finished, result) in told {
            finished(result);
        }
    }

    fn is_in_memory(&self, index: u64) -> bool {
        let tail = self.state.lock().pending.tail_start();
        tail.is_some_and(|tail| tail <= index) || self.journal.is_in_memory(index)
    }

    fn read(&self, range: Range<u64>) -> io::Result<Vec<Record>> {
        let tail = {
            let state = self.state.lock();
            let tail = state.pending.tail_start();
            if tail.is_some_and(|tail| tail <= range.start) {
                return Ok(state.pending.read(range, READ_BYTES));
            }
            tail
        };
        // Entries leave the tail only when the journal has them for good, so what lies before it is in the journal.
        let end = tail.map_or(range.end, |tail| range.end.min(tail));
        self.journal.read(range.start..end, READ_BYTES)
    }
}

fn decode(record: Record) -> io::Result<Entry> {
    Ok(codec::decode_entry(record.index, record.payload)?)
}

fn read_entry(journal: &dyn Journal, index: u64) -> io::Result<Entry> {
    let record = journal
        .read(index..index.saturating_add(1), 0)?
        .into_iter()
        .next();
    let missing = || {
        io::Error::new(
            io::ErrorKind::InvalidData,
            format!("log entry {index} is missing"),
        )
    };
    decode(record.ok_or_else(missing)?)
}

impl RaftLogReader<TypeConfig> for LogStore {
    async fn try_get_log_entries<R>(&mut self, range: R) -> io::Result<Vec<Entry>>
    where
        R: RangeBounds<u64> + Clone + Debug + Send,
    {
        let wanted = self.clamp(&range);
        let mut entries: Vec<Entry> = Vec::new();
        let mut next = wanted.start;
        while next < wanted.end {
            let read = self.read(next..wanted.end).await?;
            let Some(last) = read.last() else {
                break;
            };
            next = last.log_id.index() + 1;
            entries.extend(read);
        }
        Ok(entries)
    }

    async fn read_vote(&mut self) -> io::Result<Option<Vote>> {
        Ok(self.shared.state.lock().vote)
    }

    async fn limited_get_log_entries(&mut self, start: u64, end: u64) -> io::Result<Vec<Entry>> {
        let entries = self.read(start..end).await?;
        match entries.first() {
            Some(first) if first.log_id.index() == start => Ok(entries),
            _ if start >= end => Ok(entries),
            _ => Err(io::Error::new(
                io::ErrorKind::NotFound,
                format!("log entry {start} is not in the log"),
            )),
        }
    }

    async fn entries_stream<R>(&mut self, range: R) -> impl Stream<Item = io::Result<Entry>> + Send
    where
        R: RangeBounds<u64> + Clone + Debug + Send,
    {
        let wanted = self.clamp(&range);
        let chunks = Chunks {
            store: self.clone(),
            left: wanted,
            read: Vec::new().into_iter(),
        };
        Box::pin(stream::unfold(chunks, |mut chunks| async move {
            let item = chunks.next().await.transpose()?;
            if item.is_err() {
                chunks.left = 0..0;
            }
            Some((item, chunks))
        }))
    }
}

/// Entries read a bounded amount at a time.
struct Chunks {
    store: LogStore,
    left: Range<u64>,
    read: std::vec::IntoIter<Entry>,
}

impl Chunks {
    async fn next(&mut self) -> io::Result<Option<Entry>> {
        if let Some(entry) = self.read.next() {
            return Ok(Some(entry));
        }
        if self.left.is_empty() {
            return Ok(None);
        }
        self.read = self
            .store
            .limited_get_log_entries(self.left.start, self.left.end)
            .await?
            .into_iter();
        self.left.start += self.read.len() as u64;
        Ok(self.read.next())
    }
}

impl LogStore {
    /// The part of a range that may be in the log.
    fn clamp(&self, range: &impl RangeBounds<u64>) -> Range<u64> {
        let start = match range.start_bound() {
            Bound::Included(start) => *start,
            Bound::Excluded(before) => before.saturating_add(1),
            Bound::Unbounded => 0,
        };
        let end = match range.end_bound() {
            Bound::Included(last) => last.saturating_add(1),
            Bound::Excluded(end) => *end,
            Bound::Unbounded => u64::MAX,
        };
        let state = self.shared.state.lock();
        let first = state.purged.map_or(0, |purged| purged.index() + 1);
        let past = state.last.map_or(0, |last| last.index() + 1);
        start.max(first)..end.min(past)
    }
}

impl RaftLogStorage<TypeConfig> for LogStore {
    type LogReader = Self;

    async fn get_log_state(&mut self) -> io::Result<LogState<TypeConfig>> {
        let state = self.shared.state.lock();
        Ok(LogState {
            last_purged_log_id: state.purged,
            last_log_id: state.last,
        })
    }

    async fn get_log_reader(&mut self) -> Self::LogReader {
        self.clone()
    }

    async fn save_vote(&mut self, vote: &Vote) -> io::Result<()> {
        let (finished, wait) = Self::finished();
        self.request(Request::Vote(codec::encode_vote(vote)), finished, |state| {
            state.vote = Some(*vote)
        });
        wait.await
    }

    async fn save_committed(&mut self, committed: Option<LogId>) -> io::Result<()> {
        if let Some(log_id) = committed {
            self.shared.state.lock().committed = committed;
            self.shared.journal.save_committed(codec::encode_log_id(&log_id));
        }
        Ok(())
    }

    async fn read_committed(&mut self) -> io::Result<Option<LogId>> {
        Ok(self.shared.state.lock().committed)
    }

    async fn append<I>(&mut self, entries: I, callback: IOFlushed<TypeConfig>) -> io::Result<()>
    where
        I: IntoIterator<Item = Entry> + Send,
        I::IntoIter: Send,
    {
        let mut last = None;
        let mut records = Vec::new();
        for entry in entries {
            last = Some(entry.log_id);
            records.push(Record {
                index: entry.log_id.index(),
                payload: codec::encode_entry(&entry),
            });
        }
        let sizes: Vec<(u64, usize)> = records
            .iter()
            .map(|record| (record.index, record.payload.len()))
            .collect();
        let finished: Finished = Box::new(|result| callback.io_completed(result.map_err(io::Error::other)));
        if last.is_none() {
            finished(Ok(()));
            return Ok(());
        }
        self.request(Request::Append(records), finished, |state| {
            state.last = last;
            for (index, bytes) in sizes {
                state.size.appended(index, bytes);
            }
        });
        Ok(())
    }

    // Returns before the truncation is durable: it is before any later append, and until then the log is one that
    // this member has had.
    async fn truncate_after(&mut self, last_log_id: Option<LogId>) -> io::Result<()> {
        let index = last_log_id.map(|log_id| log_id.index());
        self.request(Request::Truncate(index), fatal_later("truncate"), |state| {
            state.last = last_log_id.or(state.purged);
            state.size.truncated_after(index);
        });
        Ok(())
    }

    // As above: until the purge is durable there are only more entries than needed.
    async fn purge(&mut self, log_id: LogId) -> io::Result<()> {
        let marker: Bytes = codec::encode_log_id(&log_id);
        self.request(
            Request::Purge(log_id.index(), marker),
            fatal_later("purge"),
            |state| {
                state.purged = Some(log_id);
                if state.last.is_none_or(|last| last.index() <= log_id.index()) {
                    state.last = Some(log_id);
                }
                state.size.purged(log_id.index());
            },
        );
        Ok(())
    }
}

/// A failed journal fails the next append or vote too, and openraft stops there.
fn fatal_later(action: &'static str) -> Finished {
    Box::new(move |result| {
        if let Err(reason) = result {
            tracing::error!(reason, action, "log failed");
        }
    })
}
