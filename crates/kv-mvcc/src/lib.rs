//! Revisions, key index, ranges, transactions, compaction, hash.
