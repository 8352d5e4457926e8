use std::fmt;

/// Defines a newtype over an integer with the conversions that the edges need.
macro_rules! id {
    ($(#[$doc:meta])* $name:ident($int:ty), $format:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name($int);

        impl $name {
            /// Wraps the wire value as it is.
            pub const fn new(value: $int) -> Self {
                Self(value)
            }

            /// The wire value.
            pub const fn get(self) -> $int {
                self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, $format, self.0)
            }
        }
    };
}

id! {
    /// A member of a cluster; printed in hexadecimal as etcd does. Zero means "no member".
    MemberId(u64), "{:x}"
}
id! {
    /// A cluster; printed in hexadecimal as etcd does.
    ClusterId(u64), "{:x}"
}
id! {
    /// A lease; printed as 16 hexadecimal digits as etcdctl does. Zero means "no lease" on the wire and
    /// does not occur behind an `Option<LeaseId>`.
    LeaseId(i64), "{:016x}"
}
id! {
    /// A watcher within one watch stream.
    WatchId(i64), "{}"
}
id! {
    /// A proposal, unique among all proposals of all members, so that the member which received the
    /// request can find who waits for its outcome.
    RequestId(u64), "{:x}"
}

id! {
    /// How often the users, roles and permissions have changed; the first state has 1. Zero means that no user is
    /// given.
    AuthRevision(u64), "{}"
}

impl AuthRevision {
    /// The one after this.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0 + 1)
    }
}

impl LeaseId {
    /// Reads the wire form, where zero stands for "no lease".
    pub fn from_wire(value: i64) -> Option<Self> {
        (value != 0).then_some(Self(value))
    }

    /// The wire form of an optional lease.
    pub fn to_wire(lease: Option<Self>) -> i64 {
        lease.map_or(0, Self::get)
    }
}
