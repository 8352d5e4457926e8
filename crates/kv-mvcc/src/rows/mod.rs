//! Where rows are kept: recent ones in memory, older ones in blocks in the backend.
//!
//! | backend key | value |
//! |---|---|
//! | `b/i/` + id | info record of a block |
//! | `b/k/` + id | its keys part |
//! | `b/v/` + id | its values part |
//!
//! An id is the first row of the block (main revision, 8 bytes; sub revision, 4 bytes) and its number
//! (8 bytes), all big endian, so that a scan meets the rows in revision order.
//!
//! # What a crash leaves
//!
//! A block belongs to the store if and only if its info record is there. The two other parts may be written and
//! flushed ahead, in slices, under an id nothing refers to yet; opening removes such leftovers. The *last* batch
//! of a checkpoint is the one that counts: it makes the new blocks and all dead marks a part of the store,
//! removes the blocks they replace, and carries whatever the caller adds (its own state, the applied log id).
//! So the backend holds, after a crash at any point, exactly the rows that were live when the last completed
//! checkpoint began.
//!
//! Dead marks of one moment must become durable together: a put whose tombstone was removed for good, while its
//! own mark was lost, would come back to life.
//!
//! # Space
//!
//! A checkpoint also rewrites blocks of which little is live and joins small neighbours, in bounded steps. A
//! block that was replaced keeps its data in the backend until no [`RowsView`] knows it any more.

mod block_info;
mod cache;
mod checkpoint;
mod iter;
mod names;
mod open;
mod relocate;
mod rewrite;
mod source;
#[cfg(test)]
mod tests;
mod view;
mod writer;

use kv_types::RowRevision;
use std::sync::Arc;

use crate::cow_tree::CowTree;
use crate::{ReadError, Row};
use block_info::BlockInfo;

pub(crate) use checkpoint::CheckpointPlan;
pub use checkpoint::{Fill, Finished};
pub use relocate::Relocation;
pub(crate) use source::Caching;
pub use view::RowsSizes;
pub(crate) use view::RowsView;
pub(crate) use writer::{Rows, RowsOptions};

/// Rows in memory. Their weight is the memory they take.
type RowMap = CowTree<RowRevision, Arc<Row>>;

/// Blocks by their first row. Their weight is what their live rows take in the backend.
// Invariant: no two blocks overlap, and each has a live row.
type BlockMap = CowTree<RowRevision, Arc<BlockInfo>>;

/// The rows that [`RowsView::chunk`] packed.
///
/// # Errors
/// [`ReadError::Damaged`] if these are not the bytes that were packed.
pub(crate) fn decode_chunk(chunk: &[u8]) -> Result<Vec<Row>, ReadError> {
    Ok(crate::block::decode_chunk(chunk)?)
}
