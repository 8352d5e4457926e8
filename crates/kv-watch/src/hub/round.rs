use std::collections::HashMap;
use std::ops::ControlFlow;
use std::sync::Arc;

use kv_mvcc::{Change, ReadError};
use kv_types::Revision;

use super::live::find_prevs;
use crate::event::row_weight;
use crate::matcher::{Interest, Matcher};
use crate::recent::{Chunk, Logged};
use crate::slab::Key;
use crate::{Event, History};

/// A round stops at the end of the revision in which the events it has found reach this many bytes, or a stream's
/// share of memory, if that is less.
const ROUND_BYTES_MAX: usize = 4 << 20;

/// A round of catching up: who needs what. Reading it takes no hub.
#[derive(Debug)]
pub struct CatchUp {
    pub(super) from: Revision,
    pub(super) to: Revision,
    pub(super) source: Source,
    pub(super) wanted: Vec<Wanted>,
    /// Bytes that each stream has room for.
    pub(super) share: usize,
}

#[derive(Debug)]
pub(super) enum Source {
    /// The hub's log of recent changes.
    Recent(Vec<Arc<Chunk>>),
    /// The store's history.
    Store,
}

#[derive(Debug)]
pub(super) struct Wanted {
    pub(super) watcher: Key,
    /// The first revision it needs.
    pub(super) next: Revision,
    pub(super) interest: Interest,
    pub(super) with_prev: bool,
}

/// What a round has read, to be handed back to the hub.
#[derive(Debug)]
pub struct CaughtUp {
    /// The last revision that was read as a whole.
    pub(super) reached: Revision,
    pub(super) shares: Vec<Share>,
}

/// What all watchers of one interest get, each from the revision it needs.
#[derive(Debug)]
pub(super) struct Share {
    /// In the order of the revisions needed.
    pub(super) watchers: Vec<(Key, Revision)>,
    with_prev: bool,
    pub(super) events: Vec<Arc<Event>>,
}

impl CatchUp {
    /// Reads what the round's watchers need. This is the slow step, and needs no hub.
    ///
    /// # Errors
    /// If history could not be read.
    pub fn read(self, history: &dyn History) -> Result<CaughtUp, ReadError> {
        let Self {
            from,
            to,
            source,
            wanted,
            share,
        } = self;
        let mut reader = Reader::new(wanted, to, ROUND_BYTES_MAX.min(share));
        match source {
            Source::Recent(chunks) => {
                let changes = chunks.iter().flat_map(|chunk| &chunk.changes);
                let here = changes.skip_while(|logged| logged.revision() < from);
                for logged in here.take_while(|logged| logged.revision() <= to) {
                    if reader.take(logged).is_break() {
                        break;
                    }
                }
            }
            Source::Store => {
                let mut take = |change: Change| reader.take(&Logged::new(change));
                history.changes(from, to, &mut take)?;
            }
        }
        for share in reader.shares.iter().filter(|share| share.with_prev) {
            find_prevs(history, &share.events)?;
        }
        Ok(CaughtUp {
            reached: reader.reached,
            shares: reader.shares,
        })
    }
}

/// Sorts changes into the shares that want them.
struct Reader {
    matcher: Matcher<usize>,
    interests: Vec<Interest>,
    shares: Vec<Share>,
    /// The last revision that is read as a whole, if reading ends now.
    reached: Revision,
    /// The revision being read.
    current: Option<Revision>,
    bytes: usize,
    bytes_max: usize,
}

impl Reader {
    fn new(wanted: Vec<Wanted>, to: Revision, bytes_max: usize) -> Self {
        let mut matcher = Matcher::new();
        let mut interests: Vec<Interest> = Vec::new();
        let mut shares: Vec<Share> = Vec::new();
        let mut known: HashMap<Interest, usize> = HashMap::new();
        for Wanted {
            watcher,
            next,
            interest,
            with_prev,
        } in wanted
        {
            let at = *known.entry(interest).or_insert_with_key(|interest| {
                matcher.insert(&interest.range, shares.len());
                interests.push(interest.clone());
                shares.push(Share {
                    watchers: Vec::new(),
                    with_prev: false,
                    events: Vec::new(),
                });
                shares.len() - 1
            });
            shares[at].watchers.push((watcher, next));
            shares[at].with_prev |= with_prev;
        }
        Self {
            matcher,
            interests,
            shares,
            reached: to,
            current: None,
            bytes: 0,
            bytes_max,
        }
    }

    fn take(&mut self, logged: &Logged) -> ControlFlow<()> {
        let revision = logged.revision();
        if let Some(current) = self.current.replace(revision)
            && current != revision
            && self.bytes >= self.bytes_max
        {
            self.reached = current;
            return ControlFlow::Break(());
        }
        let row = &logged.change.row;
        let mut wanted = false;
        self.matcher.visit(&row.key, |at| {
            if self.interests[at].filters.pass(row.tombstone) {
                self.shares[at].events.push(Arc::clone(logged.event()));
                wanted = true;
            }
        });
        if wanted {
            self.bytes += row_weight(row);
        }
        ControlFlow::Continue(())
    }
}
