use kv_types::KeyRange;

/// What is asked of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// To be read.
    Read,
    /// To be written.
    Write,
}

/// What a permission allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PermissionKind {
    /// Reading.
    Read,
    /// Writing.
    Write,
    /// Both.
    ReadWrite,
    /// A number that is none of the known kinds. etcd keeps it, and it allows nothing.
    Unknown(i32),
}

impl PermissionKind {
    /// Reads the wire form.
    pub fn from_wire(value: i32) -> Self {
        match value {
            0 => Self::Read,
            1 => Self::Write,
            2 => Self::ReadWrite,
            other => Self::Unknown(other),
        }
    }

    /// The wire form.
    pub fn to_wire(self) -> i32 {
        match self {
            Self::Read => 0,
            Self::Write => 1,
            Self::ReadWrite => 2,
            Self::Unknown(other) => other,
        }
    }

    /// Whether it allows this.
    pub fn allows(self, access: Access) -> bool {
        match self {
            Self::Read => access == Access::Read,
            Self::Write => access == Access::Write,
            Self::ReadWrite => true,
            Self::Unknown(_) => false,
        }
    }
}

/// The right to an interval of keys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Permission {
    /// The right.
    pub kind: PermissionKind,
    /// The keys.
    pub range: KeyRange,
}

impl Permission {
    /// Whether the range is one that can be granted: it has a first key, and an end behind it if it has an end.
    pub(crate) fn is_valid(&self) -> bool {
        !self.range.start.is_empty() && !self.range.is_empty()
    }
}

/// A named set of permissions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Role {
    /// Its name.
    pub name: String,
    /// What it allows. Invariant: sorted by the first key.
    pub permissions: Vec<Permission>,
}

impl Role {
    pub(crate) fn new(name: String) -> Self {
        Self {
            name,
            permissions: Vec::new(),
        }
    }

    /// Takes a further permission. Only the first permission of a key is looked at for one on the same range, as
    /// in etcd; what comes twice by that allows no more than before.
    pub(crate) fn grant(&mut self, permission: Permission) {
        let start = &permission.range.start;
        let place = self.permissions.partition_point(|own| own.range.start < *start);
        match self.permissions.get_mut(place) {
            Some(own) if own.range == permission.range => own.kind = permission.kind,
            _ => {
                let end = self.permissions.partition_point(|own| own.range.start <= *start);
                self.permissions.insert(end, permission);
            }
        }
    }

    /// Gives up the permissions on exactly this range; whether there were any.
    pub(crate) fn revoke(&mut self, range: &KeyRange) -> bool {
        let before = self.permissions.len();
        self.permissions.retain(|own| own.range != *range);
        self.permissions.len() < before
    }
}
