use bytes::Bytes;

/// How far the log was purged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Purged {
    /// The last entry purged.
    pub up_to: u64,
    /// What the caller stored with the purge.
    pub marker: Bytes,
}

/// What the log holds beside its entries.
///
/// Its entries are those with `first <= index < end`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct State {
    /// Index of the first entry.
    // Invariant: first <= end; purged.up_to + 1 == first, if anything was purged.
    pub first: u64,
    /// One past the index of the last entry.
    pub end: u64,
    /// The vote last saved.
    pub vote: Option<Bytes>,
    /// The committed index last saved; after a crash possibly an older one.
    pub committed: Option<Bytes>,
    /// How far the log was purged, if it ever was.
    pub purged: Option<Purged>,
}

impl State {
    /// Whether there are no entries.
    pub fn is_empty(&self) -> bool {
        self.first == self.end
    }

    /// Index of the last entry.
    pub fn last(&self) -> Option<u64> {
        (!self.is_empty()).then(|| self.end - 1)
    }

    /// Whether the next entry may have any index: so in a log that is empty and was never purged.
    fn starts_anywhere(&self) -> bool {
        self.is_empty() && self.purged.is_none()
    }

    /// The index that the next entry must have, given the one it has.
    pub(crate) fn expected(&self, found: u64) -> u64 {
        if self.starts_anywhere() { found } else { self.end }
    }

    /// Takes the entry `index`.
    pub(crate) fn push(&mut self, index: u64) -> Result<(), &'static str> {
        if index != self.expected(index) {
            return Err("an entry that does not follow the one before it");
        }
        if self.is_empty() {
            self.first = index;
        }
        self.end = index
            .checked_add(1)
            .ok_or("an entry with the highest index there is")?;
        Ok(())
    }

    /// Drops the entries from `end` on.
    pub(crate) fn truncate(&mut self, end: u64) -> Result<(), &'static str> {
        if !(self.first..=self.end).contains(&end) {
            return Err("a truncation outside the log");
        }
        self.end = end;
        Ok(())
    }

    /// Drops the entries before `first`; beyond the end, leaves the log empty and waiting for `first`.
    pub(crate) fn purge(&mut self, first: u64, marker: Bytes) -> Result<(), &'static str> {
        let up_to = first.checked_sub(1).ok_or("a purge of nothing")?;
        if first < self.first {
            return Err("a purge that goes back");
        }
        self.first = first;
        self.end = self.end.max(first);
        self.purged = Some(Purged { up_to, marker });
        Ok(())
    }
}
