use kv_types::KeyRange;

use super::Reader;
use super::range::fetch_max;
use crate::RangeRequest;
use crate::index::At;

/// What a key takes in an answer beside itself and its value.
const KEY_OVERHEAD_BYTES: u64 = 32;

/// What a key without its value is taken for.
const KEY_BYTES: u64 = 64;

/// About what a range takes to answer. Learning it costs O(log n).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RangeCost {
    /// Keys that have to be looked at.
    pub keys: u64,
    /// Bytes of the answer, if its rows are of average size.
    pub bytes: u64,
}

impl Reader<'_> {
    /// Takes keys that there were in the past for as many as there are now.
    pub(crate) fn cost(&self, request: &RangeRequest) -> RangeCost {
        let count = self.state.index.count(&request.range, At::Latest);
        if request.count_only {
            return RangeCost::default();
        }
        let keys = count.min(u64::try_from(fetch_max(request)).unwrap_or(u64::MAX));
        let answered = if request.limit == 0 {
            keys
        } else {
            keys.min(request.limit)
        };
        let row_bytes = if request.keys_only {
            KEY_BYTES
        } else {
            self.average_row_bytes() + KEY_OVERHEAD_BYTES
        };
        RangeCost {
            keys,
            bytes: answered.saturating_mul(row_bytes),
        }
    }

    /// There is a row for each key at least, and for each revision that is not compacted.
    fn average_row_bytes(&self) -> u64 {
        let sizes = self.rows.sizes();
        let revisions = self
            .revision
            .get()
            .saturating_sub(self.state.compacted_or_before().get());
        let rows = u64::try_from(revisions)
            .unwrap_or(0)
            .max(self.state.index.count(&KeyRange::all(), At::Latest));
        (sizes.live_bytes + sizes.recent_bytes) / rows.max(1)
    }
}
