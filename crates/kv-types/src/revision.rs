use std::fmt;

/// The store's main revision: advanced by one by each applied request that changes something.
///
/// A fresh store is at [`Revision::INITIAL`], so its first write makes revision 2, as in etcd.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Revision(i64);

impl Revision {
    /// Before any revision.
    pub const ZERO: Self = Self(0);
    /// The revision of an empty store.
    pub const INITIAL: Self = Self(1);

    /// Wraps a wire value.
    pub const fn new(value: i64) -> Self {
        Self(value)
    }

    /// The wire value.
    pub const fn get(self) -> i64 {
        self.0
    }

    /// The revision after this one.
    pub const fn next(self) -> Self {
        Self(self.0 + 1)
    }

    /// The revision before this one.
    pub const fn prev(self) -> Self {
        Self(self.0 - 1)
    }
}

impl fmt::Display for Revision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// Where one change stands in history: its revision, and its place among the changes of that revision.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RowRevision {
    /// The revision, shared by all changes of one request.
    pub main: Revision,
    /// The place within the revision, from 0, in order of execution.
    pub sub: u32,
}

impl RowRevision {
    /// The change at `sub` of revision `main`.
    pub const fn new(main: Revision, sub: u32) -> Self {
        Self { main, sub }
    }

    /// The first possible change of `main`.
    pub const fn first_of(main: Revision) -> Self {
        Self { main, sub: 0 }
    }

    /// The last possible change of `main`.
    pub const fn last_of(main: Revision) -> Self {
        Self { main, sub: u32::MAX }
    }
}

impl fmt::Display for RowRevision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.main, self.sub)
    }
}

/// How often a key was put since its creation: 1 for the creating put. Zero means "does not exist".
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Version(i64);

impl Version {
    /// The version of a key that does not exist.
    pub const ZERO: Self = Self(0);
    /// The version a creating put gives.
    pub const FIRST: Self = Self(1);

    /// Wraps a wire value.
    pub const fn new(value: i64) -> Self {
        Self(value)
    }

    /// The wire value.
    pub const fn get(self) -> i64 {
        self.0
    }

    /// The version after one more put.
    pub const fn next(self) -> Self {
        Self(self.0 + 1)
    }
}
