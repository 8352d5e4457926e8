//! Leases: grant, attach, renew, and what has expired at a given time.
//!
//! Two parts that meet only in the shell. [`Lessor`] is replicated: which leases exist, how long they live and
//! which keys hang on them; it is the same on every member and knows no time. [`Expiry`] is soft state of the
//! leader alone: when each lease ends. What has expired becomes a proposed revoke, and only that changes the
//! [`Lessor`].

mod expiry;
mod lessor;

pub use expiry::{Demoted, Expiry, OFFERS_PER_SECOND_MAX, REVOKE_RETRY, Renewal};
pub use lessor::{GrantError, Lessor};
