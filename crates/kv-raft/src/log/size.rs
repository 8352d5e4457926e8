use std::collections::VecDeque;

/// Entries between two marks.
const MARK_ENTRIES: u64 = 64;

/// Remembers roughly how many bytes of entries lie after an index, for entries appended since the start.
#[derive(Debug, Default)]
pub(crate) struct LogSize {
    /// Bytes up to and including an index, ascending; one mark for some entries.
    // Invariant: bounded by the length of the log over MARK_ENTRIES, because purging drops marks.
    marks: VecDeque<(u64, u64)>,
    end: (u64, u64),
}

impl LogSize {
    pub(crate) fn appended(&mut self, index: u64, bytes: usize) {
        self.end = (index, self.end.1.saturating_add(bytes as u64));
        if self
            .marks
            .back()
            .is_none_or(|(marked, _)| index >= marked + MARK_ENTRIES)
        {
            self.marks.push_back(self.end);
        }
    }

    pub(crate) fn truncated_after(&mut self, index: Option<u64>) {
        let keep = |marked: u64| index.is_some_and(|index| marked <= index);
        while self.marks.back().is_some_and(|(marked, _)| !keep(*marked)) {
            self.marks.pop_back();
        }
        self.end = self.marks.back().copied().unwrap_or_default();
    }

    pub(crate) fn purged(&mut self, up_to: u64) {
        while self.marks.len() > 1 && self.marks[1].0 <= up_to {
            self.marks.pop_front();
        }
    }

    /// Bytes after `index`.
    pub(crate) fn since(&self, index: u64) -> u64 {
        let at = self.marks.partition_point(|(marked, _)| *marked <= index);
        let before = at.checked_sub(1).map_or(0, |at| self.marks[at].1);
        self.end.1.saturating_sub(before)
    }

    /// The first marked index after which at most `bytes` follow up to `index`: what lies before it may go if so
    /// many bytes are to stay.
    pub(crate) fn start_of_tail(&self, index: u64, bytes: u64) -> Option<u64> {
        let at = self.marks.partition_point(|(marked, _)| *marked <= index);
        let total = self.marks.get(at.checked_sub(1)?)?.1;
        let start = self
            .marks
            .partition_point(|(_, before)| before.saturating_add(bytes) < total);
        self.marks
            .get(start)
            .map(|(marked, _)| *marked)
            .filter(|marked| *marked <= index)
    }
}

#[cfg(test)]
mod tests {
    use super::LogSize;

    #[test]
    fn bytes_after_an_index_are_known_to_within_a_mark() {
        let mut size = LogSize::default();
        for index in 1..=1000 {
            size.appended(index, 10);
        }
        assert!((5000..=5000 + 640).contains(&size.since(500)));
        let start = size.start_of_tail(1000, 3000).unwrap();
        assert!((700 - 64..=700 + 64).contains(&start), "{start}");
        size.truncated_after(Some(600));
        assert!(size.since(500) <= 1000 + 640);
        size.purged(400);
        assert!(size.since(0) >= 1000);
        assert_eq!(size.start_of_tail(600, u64::MAX), Some(size.marks[0].0));
    }
}
