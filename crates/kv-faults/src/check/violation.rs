use std::fmt;

/// Something that may not happen has happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Violation {
    /// What does not hold.
    pub(crate) promise: &'static str,
    pub(crate) detail: String,
}

impl Violation {
    pub(crate) fn new(promise: &'static str, detail: impl Into<String>) -> Self {
        Self {
            promise,
            detail: detail.into(),
        }
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.promise, self.detail)
    }
}
