use std::fmt;

use kv_types::RowRevision;

/// Names a stored block, in backend keys and in errors. Blocks sort by their first row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct BlockId {
    /// Its first row.
    pub(crate) first: RowRevision,
    /// Unlike that of any other block this backend held at the same time: a rewritten block may well begin
    /// with the row that the old one began with.
    pub(crate) number: u64,
}

impl fmt::Display for BlockId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "block {} from row {}", self.number, self.first)
    }
}
