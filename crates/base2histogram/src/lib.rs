//! Stands in for the `base2histogram` that openraft counts its runtime statistics with.
//!
//! The published crate builds lookup tables for every bucket width on first use: about 26 MB that an idle
//! member would hold for as long as it runs, most of its memory, for statistics we do not even report. Here a
//! value's bucket is computed from its bits, there are no tables, and a histogram that has counted nothing
//! holds no memory beyond itself; one that has seen every magnitude holds a few KB.
//!
//! No crate of ours depends on it. It takes the place of the published one through `[patch.crates-io]` in the
//! workspace's `Cargo.toml`, and therefore bears the same name and version. It offers what
//! openraft 0.10.0-alpha.37 calls and nothing else: when openraft is updated, the compiler says what is
//! missing, and a changed version requirement makes Cargo report the patch as unused.

mod bucket;
mod chart;
mod histogram;
mod percentile_stats;

pub use chart::{AsciiChart, DetailedChart};
pub use histogram::Histogram;
pub use percentile_stats::PercentileStats;
