//! Answers from one consistent state: the same for a view and, within a write, for the writer.

mod compare;
mod cost;
mod hash;
mod range;

pub use cost::RangeCost;

use bytes::Bytes;
use kv_types::planted::{Bug, is_planted};
use kv_types::{KeyRange, Revision, RowRevision};

use crate::index::{At, VersionMeta};
use crate::rows::RowsView;
use crate::state::State;
use crate::{KeyValue, RangeError, RangeRequest, ReadError};

/// A state and its rows.
#[derive(Clone, Copy)]
pub(crate) struct Reader<'a> {
    pub(crate) state: &'a State,
    pub(crate) rows: &'a RowsView,
    /// The revision that answers carry: the state's own, or within a transaction that has changed something
    /// the one it is making.
    pub(crate) revision: Revision,
}

impl Reader<'_> {
    /// Which state a range asks for.
    fn at(&self, revision: Option<Revision>) -> Result<At, RangeError> {
        let Some(revision) = revision.filter(|revision| *revision > Revision::ZERO) else {
            return Ok(At::Latest);
        };
        if revision > self.revision {
            return Err(RangeError::FutureRevision);
        }
        if revision < self.state.compacted_or_before() && !is_planted(Bug::CompactedRead) {
            return Err(RangeError::Compacted);
        }
        Ok(if revision == self.revision {
            At::Latest
        } else {
            At::Past(revision)
        })
    }

    /// How many keys of an interval are live.
    pub(crate) fn count(&self, range: &KeyRange, revision: Option<Revision>) -> Result<u64, RangeError> {
        Ok(self.state.index.count(range, self.at(revision)?))
    }

    /// Checks a range of a transaction before any of it runs. Unlike the range itself, this takes a negative
    /// revision as one below the last compaction.
    pub(crate) fn check_range(&self, request: &RangeRequest) -> Result<(), RangeError> {
        match request.revision {
            None | Some(Revision::ZERO) => Ok(()),
            Some(revision) if revision > self.revision => Err(RangeError::FutureRevision),
            Some(revision) if revision < self.state.compacted_or_before() => Err(RangeError::Compacted),
            Some(_) => Ok(()),
        }
    }

    /// The value of a version the index has.
    pub(crate) fn value(&self, revision: RowRevision) -> Result<Bytes, ReadError> {
        self.rows.value(revision)?.ok_or(ReadError::Missing { revision })
    }

    /// The values of versions the index has, in the order given. Reads them in the order they are stored, so
    /// that each block is read once.
    pub(crate) fn values(&self, revisions: &[RowRevision]) -> Result<Vec<Bytes>, ReadError> {
        if revisions.is_sorted() {
            return self.values_ascending(revisions);
        }
        let mut order: Vec<usize> = (0..revisions.len()).collect();
        order.sort_unstable_by_key(|at| revisions[*at]);
        let sorted: Vec<RowRevision> = order.iter().map(|at| revisions[*at]).collect();
        let mut values = vec![Bytes::new(); revisions.len()];
        for (at, value) in order.into_iter().zip(self.values_ascending(&sorted)?) {
            values[at] = value;
        }
        Ok(values)
    }

    fn values_ascending(&self, revisions: &[RowRevision]) -> Result<Vec<Bytes>, ReadError> {
        let found = revisions.iter().zip(self.rows.values(revisions)?);
        found
            .map(|(revision, value)| value.ok_or(ReadError::Missing { revision: *revision }))
            .collect()
    }
}

/// A key at one of its versions.
pub(crate) fn key_value(key: Bytes, version: &VersionMeta, value: Bytes) -> KeyValue {
    KeyValue {
        key,
        create_revision: version.create_revision,
        mod_revision: version.mod_revision(),
        version: version.version,
        value,
        lease: version.lease(),
    }
}
