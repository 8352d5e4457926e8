//! The words every other part speaks in: identifiers, revisions, key ranges and limits.
//!
//! Nothing here knows a wire format, does I/O or is asynchronous.

mod histogram;
mod ids;
mod key_range;
mod limits;
mod log_id;
pub mod planted;
mod revision;

pub use histogram::{Histogram, HistogramSnapshot};
pub use ids::{AuthRevision, ClusterId, LeaseId, MemberId, RequestId, WatchId};
pub use key_range::{KeyRange, RangeEnd};
pub use limits::Limits;
pub use log_id::{LogId, LogIndex, Term};
pub use revision::{Revision, RowRevision, Version};
