use std::sync::Arc;

use kv_types::{KeyRange, Revision, WatchId};

use crate::Event;

/// Kinds of events a watcher does not want.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Filters {
    /// No puts.
    pub no_put: bool,
    /// No deletions.
    pub no_delete: bool,
}

impl Filters {
    pub(crate) fn pass(self, tombstone: bool) -> bool {
        if tombstone { !self.no_delete } else { !self.no_put }
    }
}

/// A watcher to create.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WatchCreate {
    /// What to watch. An empty start means the first possible key.
    pub range: KeyRange,
    /// The first revision to report, as the client gave it; `None` or zero: whatever comes from now on.
    pub start: Option<Revision>,
    /// The id asked for; `None`: the stream's next free one.
    pub id: Option<WatchId>,
    /// What not to report.
    pub filters: Filters,
    /// Whether events carry the value before them.
    pub prev_kv: bool,
    /// Whether to report progress now and then while nothing happens.
    pub progress_notify: bool,
    /// Whether large responses may be split between events.
    pub fragment: bool,
}

/// Why a watcher was not created.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RejectReason {
    /// The start revision is negative, which etcd reports as compacted.
    Compacted,
    /// The range ends at or before its start.
    RangeEmpty,
    /// The id is taken on this stream.
    DuplicateId,
    /// Watchers take all the memory there is for them, and those of this stream more than their share.
    TooMany,
}

/// A response on its way to a client, in the order in which the stream must send it.
#[derive(Clone, Debug)]
pub enum Outgoing {
    /// A watcher was created.
    Created {
        /// The watcher.
        id: WatchId,
        /// The current revision; without a start revision, later ones are reported.
        revision: Revision,
    },
    /// A watcher was not created.
    Rejected {
        /// Why.
        reason: RejectReason,
        /// The current revision.
        revision: Revision,
    },
    /// Something happened. All events of one revision are in one response.
    Events {
        /// The watcher.
        id: WatchId,
        /// The revision of the header: that of the last event, or the current one while catching up.
        revision: Revision,
        /// What happened, in order; never empty. Shared by all watchers of the same range.
        events: Arc<[Arc<Event>]>,
        /// Whether to send the values before the events.
        with_prev: bool,
        /// Whether the response may be split between events if it is large.
        fragment: bool,
    },
    /// Everything up to a revision has been sent.
    Progress {
        /// The watcher; `None`: every watcher of the stream.
        id: Option<WatchId>,
        /// The revision.
        revision: Revision,
    },
    /// A watcher has ended as its client asked; nothing follows for it.
    Canceled {
        /// The watcher.
        id: WatchId,
        /// The current revision.
        revision: Revision,
    },
    /// A watcher has ended because what it needs next is compacted; nothing follows for it.
    Compacted {
        /// The watcher.
        id: WatchId,
        /// The last compaction: the first revision that can still be watched.
        compact_revision: Revision,
    },
}
