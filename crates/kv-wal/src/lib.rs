//! The write-ahead log: records in segments, group commit, recovery.
