//! Revisions, key index, ranges, transactions, compaction, hash.
//!
//! Pure and synchronous: no clock, no task, no randomness; Raft and the meaning of leases are not known here.

mod block;
mod cow_tree;
mod error;
mod lease_book;
mod ops;
mod row;

pub use error::{CompactError, RangeError, ReadError, StoreError, WriteError};
pub use lease_book::LeaseBook;
pub use ops::{
    Compare, CompareResult, CompareTarget, DeleteRequest, DeleteResult, HashKv, KeyValue, Op, OpResult,
    PutLease, PutRequest, PutResult, PutValue, RangeRequest, RangeResult, SortOrder, SortTarget, TxnRequest,
    TxnResult,
};
pub use row::{Change, Row, RowMeta};
