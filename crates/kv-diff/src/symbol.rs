//! Numbers in requests that stand for what is known only when the request is sent.
//!
//! A script must mean the same on fresh servers and on used ones, or it could not be shrunk. So it says "two before
//! the current revision" and "the third lease", as numbers from intervals that mean nothing otherwise.

/// Offsets lie within this distance.
const SPAN: i64 = 1 << 30;
const CURRENT: i64 = 1 << 50;
const COMPACTED: i64 = 1 << 51;
const LEASE: i64 = 1 << 52;
/// No lease has this ID.
const NO_LEASE: i64 = 987_654_321;

/// What both servers are known to have come to.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Clock {
    pub(crate) current: i64,
    pub(crate) compacted: i64,
}

/// The current revision and so many more.
pub(crate) fn current(offset: i64) -> i64 {
    CURRENT + offset
}

/// The compacted revision and so many more.
pub(crate) fn compacted(offset: i64) -> i64 {
    COMPACTED + offset
}

/// One of the leases whose ID the server chose, in the order of their grants.
pub(crate) fn lease(index: i64) -> i64 {
    LEASE + index
}

fn offset(number: i64, from: i64) -> Option<i64> {
    let offset = number.checked_sub(from)?;
    (-SPAN..SPAN).contains(&offset).then_some(offset)
}

impl Clock {
    /// Puts the revision in that a number stands for.
    pub(crate) fn resolve(&self, number: &mut i64) {
        if let Some(offset) = offset(*number, CURRENT) {
            *number = self.current + offset;
        } else if let Some(offset) = offset(*number, COMPACTED) {
            *number = self.compacted + offset;
        }
    }
}

/// The leases whose IDs a server chose. Those of earlier scripts are still met in history.
#[derive(Clone, Debug, Default)]
pub(crate) struct Leases {
    ids: Vec<i64>,
    /// How many of them are of earlier scripts.
    earlier: usize,
}

impl Leases {
    pub(crate) fn push(&mut self, id: i64) {
        self.ids.push(id);
    }

    /// A new script counts from here.
    pub(crate) fn begin_script(&mut self) {
        self.earlier = self.ids.len();
    }

    /// Puts the ID in that a number stands for.
    pub(crate) fn resolve(&self, number: &mut i64) {
        let Some(index) = offset(*number, LEASE) else {
            return;
        };
        let id = match usize::try_from(index) {
            Ok(index) => {
                let ids = &self.ids[self.earlier..];
                ids.get(index % ids.len().max(1))
            }
            Err(_) => {
                let back = usize::try_from(-index).unwrap_or(usize::MAX);
                let index = self.earlier.checked_sub(back);
                index.and_then(|index| self.ids.get(index))
            }
        };
        *number = id.copied().unwrap_or(NO_LEASE);
    }

    /// Puts the number in that stands for an ID; it is negative for leases of earlier scripts.
    pub(crate) fn unresolve(&self, id: &mut i64) {
        if let Some(index) = self.ids.iter().rposition(|known| known == id) {
            let signed = |index: usize| i64::try_from(index).unwrap_or(0);
            *id = lease(signed(index) - signed(self.earlier));
        }
    }
}

/// How a number reads.
pub(crate) fn describe(number: i64) -> String {
    let signed = |name: &str, offset: i64| match offset {
        0 => name.to_owned(),
        offset => format!("{name}{offset:+}"),
    };
    if let Some(offset) = offset(number, CURRENT) {
        signed("current", offset)
    } else if let Some(offset) = offset(number, COMPACTED) {
        signed("compacted", offset)
    } else if let Some(index) = offset(number, LEASE) {
        format!("lease#{index}")
    } else {
        number.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn symbols_stand_for_what_is_known_when_they_are_sent() {
        let clock = Clock {
            current: 20,
            compacted: 7,
        };
        let mut leases = Leases::default();
        leases.push(501);
        leases.push(502);
        let revision = |mut number: i64| {
            clock.resolve(&mut number);
            number
        };
        assert_eq!(
            [
                revision(current(-3)),
                revision(compacted(1)),
                revision(5),
                revision(i64::MAX)
            ],
            [17, 8, 5, i64::MAX]
        );
        let mut id = lease(1);
        leases.resolve(&mut id);
        assert_eq!(id, 502);
        leases.unresolve(&mut id);
        assert_eq!(describe(id), "lease#1");
        leases.begin_script();
        let mut earlier = 502;
        leases.unresolve(&mut earlier);
        assert_eq!(earlier, lease(-1));
        leases.resolve(&mut earlier);
        assert_eq!(earlier, 502);
        assert_eq!(describe(current(-3)), "current-3");
    }
}
