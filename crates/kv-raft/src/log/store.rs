use std::fmt::Debug;
use std::io;
use std::ops::{Bound, Range, RangeBounds};
use std::sync::Arc;
use std::time::Duration;

use futures_util::Stream;
use futures_util::stream;
use kv_types::planted::{Bug, is_planted};
use kv_wal::{Callback, Health, Wal};
use openraft::storage::{IOFlushed, LogState, RaftLogReader, RaftLogStorage};
use parking_lot::Mutex;
use tokio::sync::oneshot;
use tokio::time::Instant;

use super::{InFlight, LogSize};
use crate::codec;
use crate::host;
use crate::types::{Entry, LogId, TypeConfig, Vote};

/// Most bytes of entries in one read, and so in one append message, unless a single entry has more.
const READ_BYTES: usize = 1024 * 1024;

/// openraft's log storage and reader. Clones share everything.
#[derive(Clone)]
pub(crate) struct LogStore {
    wal: Wal,
    state: Arc<Mutex<State>>,
}

/// What openraft has requested, durable or not.
struct State {
    vote: Option<Vote>,
    committed: Option<LogId>,
    purged: Option<LogId>,
    last: Option<LogId>,
    size: LogSize,
    in_flight: InFlight,
}

impl LogStore {
    /// Reads what `wal` holds.
    pub(crate) fn open(wal: Wal) -> io::Result<Self> {
        let found = wal.state();
        let last_index = found.last();
        let purged = found
            .purged
            .map(|purged| codec::decode_log_id(purged.marker))
            .transpose()?;
        let last = match last_index {
            Some(index) => Some(read_entry(&wal, index)?.log_id),
            None => purged,
        };
        let state = State {
            vote: found.vote.map(codec::decode_vote).transpose()?,
            committed: found.committed.map(codec::decode_log_id).transpose()?,
            purged,
            last,
            size: LogSize::default(),
            in_flight: InFlight::default(),
        };
        Ok(Self {
            wal,
            state: Arc::new(Mutex::new(state)),
        })
    }

    /// Whether the disk is full.
    pub(crate) fn is_full(&self) -> bool {
        self.wal.health() == Health::DiskFull
    }

    /// Bytes of entries that are not durable.
    pub(crate) fn pending_bytes(&self) -> usize {
        self.state.lock().in_flight.bytes()
    }

    /// For how long the oldest request has not been durable.
    pub(crate) fn stalled_for(&self) -> Duration {
        self.state.lock().in_flight.oldest(Instant::now())
    }

    /// How far the log is purged.
    pub(crate) fn purged(&self) -> Option<LogId> {
        self.state.lock().purged
    }

    /// Bytes of entries after `index`, roughly.
    pub(crate) fn bytes_since(&self, index: u64) -> u64 {
        self.state.lock().size.since(index)
    }

    /// An index after which at most `bytes` of entries follow up to `index`, roughly.
    pub(crate) fn start_of_tail(&self, index: u64, bytes: u64) -> Option<u64> {
        self.state.lock().size.start_of_tail(index, bytes)
    }

    /// Reads entries of `range` from its start: at most about [`READ_BYTES`], but at least one if there is any.
    async fn read(&self, range: Range<u64>) -> io::Result<Vec<Entry>> {
        if range.is_empty() {
            return Ok(Vec::new());
        }
        let cached = self
            .wal
            .read_cached(range.clone(), READ_BYTES)
            .map_err(io::Error::other)?;
        let entries = match cached {
            Some(entries) => entries,
            None => {
                let wal = self.wal.clone();
                let read = host::blocking(move || wal.read(range, READ_BYTES));
                read.await.map_err(io::Error::other)?.map_err(io::Error::other)?
            }
        };
        entries.into_iter().map(decode).collect()
    }

    /// Notes a request before it is made, and wraps the callback that notes its end.
    fn begin(
        &self,
        bytes: usize,
        note: impl FnOnce(&mut State),
        finished: impl FnOnce(io::Result<()>) + Send + 'static,
    ) -> Callback {
        {
            let mut state = self.state.lock();
            state.in_flight.begin(Instant::now(), bytes);
            note(&mut state);
        }
        let state = Arc::clone(&self.state);
        Box::new(move |result| {
            state.lock().in_flight.end();
            finished(result.map_err(io::Error::other));
        })
    }
}

fn decode(entry: kv_wal::Entry) -> io::Result<Entry> {
    Ok(codec::decode_entry(entry.index, entry.payload)?)
}

fn read_entry(wal: &Wal, index: u64) -> io::Result<Entry> {
    let found = wal
        .read(index..index.saturating_add(1), 0)
        .map_err(io::Error::other)?;
    let missing = || {
        io::Error::new(
            io::ErrorKind::InvalidData,
            format!("log entry {index} is missing"),
        )
    };
    decode(found.into_iter().next().ok_or_else(missing)?)
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
            let read = self.limited_get_log_entries(next, wanted.end).await?;
            next += read.len() as u64;
            entries.extend(read);
        }
        Ok(entries)
    }

    async fn read_vote(&mut self) -> io::Result<Option<Vote>> {
        Ok(self.state.lock().vote)
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
        // Not what the log on disk has: after a failed write that is less than openraft was promised, and who reads
        // has to learn of it, above all who applies.
        let past = self.state.lock().last.map_or(0, |last| last.index() + 1);
        start.max(self.wal.range().start)..end.min(past)
    }
}

impl RaftLogStorage<TypeConfig> for LogStore {
    type LogReader = Self;

    async fn get_log_state(&mut self) -> io::Result<LogState<TypeConfig>> {
        let state = self.state.lock();
        Ok(LogState {
            last_purged_log_id: state.purged,
            last_log_id: state.last,
        })
    }

    async fn get_log_reader(&mut self) -> Self::LogReader {
        self.clone()
    }

    async fn save_vote(&mut self, vote: &Vote) -> io::Result<()> {
        if is_planted(Bug::VoteNotPersisted) {
            self.state.lock().vote = Some(*vote);
            return Ok(());
        }
        let (sender, receiver) = oneshot::channel();
        // Nobody waits any more if openraft was shut down meanwhile.
        let done = self.begin(
            0,
            |state| state.vote = Some(*vote),
            |result| drop(sender.send(result)),
        );
        self.wal.save_vote(codec::encode_vote(vote), done);
        receiver
            .await
            .unwrap_or_else(|_| Err(io::Error::other("the log was closed")))
    }

    async fn save_committed(&mut self, committed: Option<LogId>) -> io::Result<()> {
        let Some(log_id) = committed else {
            return Ok(());
        };
        self.state.lock().committed = committed;
        self.wal
            .save_committed(codec::encode_log_id(&log_id))
            .map_err(io::Error::other)
    }

    async fn read_committed(&mut self) -> io::Result<Option<LogId>> {
        Ok(self.state.lock().committed)
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
            records.push(kv_wal::Entry {
                index: entry.log_id.index(),
                payload: codec::encode_entry(&entry),
            });
        }
        let bytes = records.iter().map(|record| record.payload.len()).sum();
        let note = |state: &mut State| {
            state.last = last.or(state.last);
            for record in &records {
                state.size.appended(record.index, record.payload.len());
            }
        };
        let done = self.begin(bytes, note, |result| callback.io_completed(result));
        self.wal.append(records, done);
        Ok(())
    }

    // Returns before the truncation is durable: it will be before any later append is, and until then the log is
    // one that this member had.
    async fn truncate_after(&mut self, last_log_id: Option<LogId>) -> io::Result<()> {
        let index = last_log_id.map(|log_id| log_id.index());
        let note = |state: &mut State| {
            if state.last.map(|last| last.index()) > index {
                state.last = last_log_id.or(state.purged);
            }
            state.size.truncated_after(index);
        };
        let done = self.begin(0, note, report("truncate"));
        self.wal.truncate_after(index, done);
        Ok(())
    }

    // As above: until the purge is durable there are only more entries than needed.
    async fn purge(&mut self, log_id: LogId) -> io::Result<()> {
        let index = log_id.index();
        let note = |state: &mut State| {
            state.purged = Some(log_id);
            if state.last.is_none_or(|last| last.index() <= index) {
                state.last = Some(log_id);
            }
            state.size.purged(index);
        };
        let done = self.begin(0, note, report("purge"));
        self.wal.purge(index, codec::encode_log_id(&log_id), done);
        Ok(())
    }
}

/// A log that fails fails the next append or vote too, and openraft stops there.
fn report(action: &'static str) -> impl FnOnce(io::Result<()>) + Send + 'static {
    move |result| {
        if let Err(error) = result {
            tracing::error!(%error, action, "log failed");
        }
    }
}
