use thiserror::Error;

use super::{BlockId, PartKind};
use crate::ReadError;

/// A part of a block is not what was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("{part} part of {block}: {reason}")]
pub(crate) struct Damaged {
    /// The block it was read as.
    pub(crate) block: BlockId,
    /// Which of its parts.
    pub(crate) part: PartKind,
    /// What does not fit.
    pub(crate) reason: &'static str,
}

impl From<Damaged> for ReadError {
    fn from(damaged: Damaged) -> Self {
        ReadError::Damaged {
            reason: damaged.to_string(),
        }
    }
}

/// What does not fit, before it is known of which block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Malformed(pub(super) &'static str);

impl Malformed {
    pub(super) fn of(self, block: BlockId, part: PartKind) -> Damaged {
        Damaged {
            block,
            part,
            reason: self.0,
        }
    }
}
