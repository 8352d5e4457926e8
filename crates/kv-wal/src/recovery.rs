use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use kv_types::planted::{Bug, is_planted};

use crate::error::OpenError;
use crate::format::{
    FIRST_RECORD, FORMAT_VERSION, HeaderRead, Kind, PAGE, RESERVE, SegmentHeader, page_of, segment_name,
    segment_number,
};
use crate::index::Index;
use crate::replay::{Beyond, Replay, Walk};
use crate::segment::{Segment, Tail};
use crate::spares::write_zeros;
use crate::state::State;
use crate::storage::{Storage, StorageFile};

/// What opening a log found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recovered {
    /// What the log holds, all of it durable.
    pub state: State,
    /// Whether there was no log before.
    pub created: bool,
    /// Segments in use.
    pub segments: usize,
    /// What the crash of an earlier run left unfinished, now removed. None of it was ever acknowledged.
    pub repaired: Vec<Repaired>,
}

/// One place where a write had not been finished.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Repaired {
    /// The segment.
    pub file: PathBuf,
    /// Where the unfinished write began, in bytes.
    pub offset: u64,
    /// Length of what was removed, in bytes.
    pub bytes: u64,
}

const BAD_RECORD: &str = "a bad record, and more was written after it";

/// What [`recover`] hands to the log.
pub(crate) struct Found {
    pub(crate) state: State,
    pub(crate) index: Index,
    pub(crate) segments: VecDeque<Segment>,
    pub(crate) tail: Tail,
    pub(crate) repaired: Vec<Repaired>,
}

/// A segment whose header was read.
struct Opened {
    number: u32,
    file: Arc<dyn StorageFile>,
    header: SegmentHeader,
}

/// Reads the log in `storage`. `None` if there is none.
///
/// All that is returned is durable when this returns, and so are the repairs.
pub(crate) fn recover(storage: &dyn Storage, names: &[String]) -> Result<Option<Found>, OpenError> {
    Recovery {
        storage,
        unwanted: Vec::new(),
        repaired: Vec::new(),
    }
    .run(names)
}

struct Recovery<'a> {
    storage: &'a dyn Storage,
    /// Segments to remove once nothing was found damaged.
    unwanted: Vec<u32>,
    repaired: Vec<Repaired>,
}

/// What reading the newest segment found, before anything is repaired.
struct Last {
    tail: Tail,
    batch: u64,
    torn: bool,
}

impl Last {
    /// How far its segment is known to be written to.
    fn filled(&self, capacity: u64) -> u64 {
        if self.torn {
            capacity
        } else {
            self.tail.offset.next_multiple_of(PAGE).min(capacity)
        }
    }
}

impl Recovery<'_> {
    fn run(mut self, names: &[String]) -> Result<Option<Found>, OpenError> {
        let mut numbers: Vec<u32> = names.iter().filter_map(|name| segment_number(name)).collect();
        numbers.sort_unstable_by(|a, b| b.cmp(a));
        let segments = self.open_run(&numbers)?;
        let Some((newest, full)) = segments.split_last() else {
            return Ok(None);
        };
        let mut replay = Replay::default();
        let mut bytes = Vec::new();
        for (segment, next) in full.iter().zip(&segments[1..]) {
            self.read_full(segment, &next.header, &mut replay, &mut bytes)?;
        }
        let last = self.read_last(newest, &mut replay, &mut bytes)?;
        if is_planted(Bug::LostOnRecovery) {
            replay.forget_last();
        }
        let (oldest, newest_number) = (segments[0].number, newest.number);
        if replay.is_incomplete() {
            let missing = oldest.saturating_sub(1);
            return Err(self.damaged(missing, 0, "the segment is missing, its entries were not purged"));
        }
        // From here on the disk is changed.
        self.settle(newest, &last, &mut bytes)?;
        // Left over when their removal after a purge was cut short.
        self.unwanted
            .extend(numbers.into_iter().filter(|number| *number < oldest));
        self.remove_unwanted()?;
        let entries: BTreeMap<u32, u64> = replay.segments.iter().copied().collect();
        let segments = segments.into_iter().map(|opened| Segment {
            number: opened.number,
            file: opened.file,
            capacity: opened.header.capacity,
            // The others were full.
            filled: if opened.number == newest_number {
                last.filled(opened.header.capacity)
            } else {
                opened.header.capacity
            },
            entries_end: entries.get(&opened.number).copied().unwrap_or(0),
        });
        Ok(Some(Found {
            state: replay.state,
            index: replay.index,
            segments: segments.collect(),
            tail: last.tail,
            repaired: self.repaired,
        }))
    }

    /// Opens the segments with consecutive numbers up to the highest, oldest first. `descending` has all
    /// numbers there are.
    fn open_run(&mut self, descending: &[u32]) -> Result<Vec<Opened>, OpenError> {
        let mut run: Vec<Opened> = Vec::new();
        for (at, &number) in descending.iter().enumerate() {
            if run.last().is_some_and(|next| next.number != number + 1) {
                break;
            }
            match self.open_segment(number)? {
                Ok(opened) => run.push(opened),
                Err(reason) if at > 0 => return Err(self.damaged(number, 0, reason)),
                Err(reason) => self.drop_unfinished(number, descending.get(1).copied(), reason)?,
            }
        }
        run.reverse();
        Ok(run)
    }

    /// Opens a segment, or says why its beginning cannot be what was completed once.
    fn open_segment(&self, number: u32) -> Result<Result<Opened, &'static str>, OpenError> {
        let name = segment_name(number);
        let opened = self
            .storage
            .open(&name)
            .and_then(|file| Ok((file.length()?, file)));
        let (length, file) = opened.map_err(|error| self.io("open log segment", number, error))?;
        let mut head = vec![0; to_usize(length.min(FIRST_RECORD))];
        self.read(&*file, &mut head, number)?;
        let header = match SegmentHeader::decode(&head) {
            HeaderRead::Valid(header) => header,
            HeaderRead::Newer(found) => {
                let file = self.storage.path(&name);
                return Err(OpenError::NewerFormat {
                    file,
                    found,
                    supported: FORMAT_VERSION,
                });
            }
            HeaderRead::Bad => return Ok(Err("the header is bad")),
        };
        if header.number != number {
            return Ok(Err(
                "the header is that of another segment, which the file was before",
            ));
        }
        // The file had its full length, durably, before it became a segment: no crash shortens it.
        if header.capacity != length {
            return Err(self.damaged(
                number,
                length.min(header.capacity),
                "the file has not its full length",
            ));
        }
        if !(FIRST_RECORD..=length).contains(&header.opening_end) {
            return Err(self.damaged(number, 40, "the header makes no sense"));
        }
        let mut opening = vec![0; to_usize(header.opening_end)];
        self.read(&*file, &mut opening, number)?;
        let mut walk = Walk::new(&opening, number);
        while walk.next().is_some() {}
        if walk.offset == header.opening_end {
            Ok(Ok(Opened { number, file, header }))
        } else {
            Ok(Err("the opening batch is bad"))
        }
    }

    /// Removes the newest segment, whose opening is bad because a crash came before the sync of it. What
    /// had gone wrong later would be damage, and is told from it by any record behind the opening.
    fn drop_unfinished(
        &mut self,
        number: u32,
        before: Option<u32>,
        reason: &'static str,
    ) -> Result<(), OpenError> {
        let name = segment_name(number);
        let io = |error| self.io("read log segment", number, error);
        let file = self.storage.open(&name).map_err(io)?;
        let mut bytes = vec![0; to_usize(file.length().map_err(io)?)];
        self.read(&*file, &mut bytes, number)?;
        let first = number == 1 && before.is_none();
        let follows = before.is_some_and(|before| before + 1 == number);
        if Walk::new(&bytes, number).has_later_batch() || !(first || follows) {
            return Err(self.damaged(number, 0, reason));
        }
        self.unwanted.push(number);
        let bytes = bytes.len() as u64;
        self.repaired.push(Repaired {
            file: self.storage.path(&name),
            offset: 0,
            bytes,
        });
        Ok(())
    }

    /// Reads a segment that has a successor, which knows where the records end.
    fn read_full(
        &self,
        segment: &Opened,
        next: &SegmentHeader,
        replay: &mut Replay,
        bytes: &mut Vec<u8>,
    ) -> Result<(), OpenError> {
        let number = segment.number;
        if next.previous_end < segment.header.opening_end || next.previous_end > segment.header.capacity {
            return Err(self.damaged(next.number, 32, "the header does not fit the segment before"));
        }
        self.load(segment, next.previous_end, bytes)?;
        let mut walk = Walk::new(bytes, number);
        self.replay(&mut walk, segment, replay)?;
        if walk.offset != next.previous_end {
            return Err(self.damaged(number, walk.offset, BAD_RECORD));
        }
        Ok(())
    }

    fn read_last(
        &self,
        segment: &Opened,
        replay: &mut Replay,
        bytes: &mut Vec<u8>,
    ) -> Result<Last, OpenError> {
        let number = segment.number;
        self.load(segment, segment.header.capacity, bytes)?;
        let mut walk = Walk::new(bytes, number);
        let (tail, last) = self.replay(&mut walk, segment, replay)?;
        if last == Some(Kind::Sealed) {
            let missing = number.saturating_add(1);
            return Err(self.damaged(
                missing,
                0,
                "the segment is missing, the one before says it exists",
            ));
        }
        match walk.look_past() {
            Beyond::Damage => Err(self.damaged(number, walk.offset, BAD_RECORD)),
            beyond => Ok(Last {
                tail,
                batch: walk.batch,
                torn: beyond == Beyond::Torn,
            }),
        }
    }

    /// Zeroes the torn end, if it is torn, then writes the last batch once more and syncs it. The process
    /// before this one may have died between write and sync, or seen its sync fail, after which the page
    /// cache shows what the disk may not have, and a second sync alone would do nothing.
    fn settle(&mut self, segment: &Opened, last: &Last, bytes: &mut [u8]) -> Result<(), OpenError> {
        let (end, capacity) = (last.tail.offset, segment.header.capacity);
        let failed = |error| self.io("repair the end of log segment", segment.number, error);
        let mut torn = None;
        if last.torn {
            let rest = &mut bytes[to_usize(end)..];
            torn = Some(
                rest.iter()
                    .rposition(|byte| *byte != 0)
                    .map_or(0, |last| last as u64 + 1),
            );
            rest.fill(0);
            write_zeros(&*segment.file, end, capacity).map_err(failed)?;
        }
        let start = page_of(last.batch);
        let stop = (end + RESERVE).next_multiple_of(PAGE).min(capacity);
        let batch = &bytes[to_usize(start)..to_usize(stop)];
        segment
            .file
            .write_all_at(batch, start)
            .and_then(|()| segment.file.sync_data())
            .map_err(failed)?;
        if let Some(bytes) = torn {
            let file = self.storage.path(&segment_name(segment.number));
            self.repaired.push(Repaired {
                file,
                offset: end,
                bytes,
            });
        }
        Ok(())
    }

    fn remove_unwanted(&self) -> Result<(), OpenError> {
        for &number in &self.unwanted {
            let removed = self.storage.remove(&segment_name(number));
            removed.map_err(|error| self.io("remove log segment", number, error))?;
        }
        // After the death of a process also the names of the other segments may not be durable yet.
        self.storage.sync_dir().map_err(|source| OpenError::Io {
            action: "sync log directory",
            file: self.storage.path(""),
            source,
        })
    }

    /// Replays what the walk finds; returns where it ended and the kind of the last record.
    fn replay(
        &self,
        walk: &mut Walk<'_>,
        segment: &Opened,
        replay: &mut Replay,
    ) -> Result<(Tail, Option<Kind>), OpenError> {
        let mut tail = Tail::opening();
        let mut last = None;
        while let Some(found) = walk.next() {
            replay
                .accept(&found)
                .map_err(|reason| self.damaged(segment.number, found.place.offset, reason))?;
            tail.advance(found.end(), found.crc);
            if found.end() <= segment.header.opening_end {
                tail.keep_opening();
            }
            last = Some(found.kind);
        }
        Ok((tail, last))
    }

    fn load(&self, segment: &Opened, length: u64, bytes: &mut Vec<u8>) -> Result<(), OpenError> {
        bytes.resize(to_usize(length), 0);
        self.read(&*segment.file, bytes, segment.number)
    }

    fn read(&self, file: &dyn StorageFile, bytes: &mut [u8], number: u32) -> Result<(), OpenError> {
        file.read_exact_at(bytes, 0)
            .map_err(|error| self.io("read log segment", number, error))
    }

    fn io(&self, action: &'static str, number: u32, source: io::Error) -> OpenError {
        OpenError::Io {
            action,
            file: self.storage.path(&segment_name(number)),
            source,
        }
    }

    fn damaged(&self, number: u32, offset: u64, reason: &'static str) -> OpenError {
        OpenError::Damaged {
            file: self.storage.path(&segment_name(number)),
            offset,
            reason,
        }
    }
}

/// Lengths of files that are held in memory.
fn to_usize(length: u64) -> usize {
    usize::try_from(length).unwrap_or(usize::MAX)
}
