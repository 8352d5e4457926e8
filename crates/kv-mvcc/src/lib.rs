//! Revisions, key index, ranges, transactions, compaction, hash.
//!
//! Pure and synchronous: no clock, no task, no randomness; Raft and the meaning of leases are not known here.
//!
//! A [`Store`] is changed by one writer; readers hold [`View`]s of it. Keys and what is known of their versions
//! are in the index, in memory; rows with their values are in memory until a checkpoint has put them into
//! blocks, which are read through a cache from then on.

mod block;
mod cow_tree;
mod error;
mod etcd_row;
mod index;
mod lease_book;
mod ops;
mod read;
mod row;
mod rows;
mod state;
mod store;
#[cfg(test)]
mod tests;
mod txn;
mod view;

pub use error::{CompactError, RangeError, ReadError, StoreError, WriteError};
pub use etcd_row::EtcdEntry;
pub use lease_book::LeaseBook;
pub use ops::{
    Compare, CompareResult, CompareTarget, DeleteRequest, DeleteResult, HashKv, KeyValue, Op, OpResult,
    PutLease, PutRequest, PutResult, PutValue, RangeRequest, RangeResult, SortOrder, SortTarget, TxnRequest,
    TxnResult,
};
pub use row::{Change, Row, RowMeta};
pub use rows::RowsSizes;
pub use store::{CheckpointPlan, Fill, Finished, GarbagePlan, Store, StoreOptions};
pub use txn::ReadOnlyTxn;
pub use view::View;
