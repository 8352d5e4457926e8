use std::collections::VecDeque;

use crate::format::{Place, record_bytes};

/// Where an entry is on disk; small, because there is one for each entry of the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Position {
    pub(crate) segment: u32,
    /// In units of 8 bytes, as the format has it.
    offset: u32,
    /// Of the payload.
    pub(crate) length: u32,
}

impl Position {
    #[expect(
        clippy::cast_possible_truncation,
        reason = "capacity and payloads are limited"
    )]
    pub(crate) fn new(place: Place, length: usize) -> Self {
        Self {
            segment: place.segment,
            offset: (place.offset / 8) as u32,
            length: length as u32,
        }
    }

    pub(crate) fn offset(self) -> u64 {
        u64::from(self.offset) * 8
    }

    /// Where the next record starts.
    pub(crate) fn end(self) -> u64 {
        self.offset() + record_bytes(self.length as usize)
    }
}

/// The positions of consecutive entries.
#[derive(Debug, Default)]
pub(crate) struct Index {
    first: u64,
    positions: VecDeque<Position>,
}

impl Index {
    pub(crate) fn get(&self, index: u64) -> Option<Position> {
        let at = usize::try_from(index.checked_sub(self.first)?).ok()?;
        self.positions.get(at).copied()
    }

    /// Adds the entry `index`, which follows the last one unless there is none.
    pub(crate) fn push(&mut self, index: u64, position: Position) {
        if self.positions.is_empty() {
            self.first = index;
        }
        debug_assert_eq!(index, self.first + self.positions.len() as u64);
        self.positions.push_back(position);
    }

    /// Puts the entry `index` at `to`, if it still is at `from`.
    pub(crate) fn relocate(&mut self, index: u64, from: Position, to: Position) {
        let at = index
            .checked_sub(self.first)
            .and_then(|at| usize::try_from(at).ok());
        if let Some(position) = at.and_then(|at| self.positions.get_mut(at))
            && *position == from
        {
            *position = to;
        }
    }

    /// Drops the entries from `end` on.
    pub(crate) fn truncate(&mut self, end: u64) {
        let length = usize::try_from(end.saturating_sub(self.first)).unwrap_or(usize::MAX);
        self.positions.truncate(length);
    }

    /// Drops the entries before `first`, and gives memory back when much of it is unused.
    pub(crate) fn purge(&mut self, first: u64) {
        let dropped = usize::try_from(first.saturating_sub(self.first)).unwrap_or(usize::MAX);
        self.positions.drain(..dropped.min(self.positions.len()));
        self.first = self.first.max(first);
        if self.positions.capacity() > 4096 && self.positions.len() < self.positions.capacity() / 4 {
            self.positions.shrink_to(self.positions.len() * 2);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn position(offset: u64) -> Position {
        Position::new(
            Place {
                segment: 1,
                offset,
                batch: offset,
                previous: 0,
            },
            5,
        )
    }

    #[test]
    fn entries_are_found_after_truncation_and_purge() {
        let mut index = Index::default();
        (10..20).for_each(|i| index.push(i, position(i * 64)));
        index.truncate(15);
        index.purge(12);
        assert_eq!(index.get(11), None);
        assert_eq!(index.get(12), Some(position(12 * 64)));
        assert_eq!(index.get(15), None);
        index.push(15, position(8));
        assert_eq!(index.get(15), Some(position(8)));
        index.purge(99);
        index.push(99, position(16));
        assert_eq!(index.get(99), Some(position(16)));
    }

    #[test]
    fn an_entry_is_moved_only_from_where_it_is_thought_to_be() {
        let mut index = Index::default();
        index.push(3, position(64));
        index.relocate(3, position(128), position(256));
        assert_eq!(index.get(3), Some(position(64)));
        index.relocate(3, position(64), position(256));
        assert_eq!(index.get(3), Some(position(256)));
        index.relocate(2, position(64), position(256));
        index.relocate(4, position(64), position(256));
    }
}
