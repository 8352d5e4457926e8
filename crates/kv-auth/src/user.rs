use std::fmt;

/// How a user proves to be who it says.
#[derive(Clone, PartialEq, Eq)]
pub enum Password {
    /// By a password with this bcrypt hash.
    Hash(String),
    /// By a certificate only.
    None,
}

/// Hashes do not belong into logs.
impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Hash(_) => "Hash(..)",
            Self::None => "None",
        })
    }
}

/// A user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    /// Its name.
    pub name: String,
    /// Its password.
    pub password: Password,
    /// The names of its roles. Invariant: sorted, none twice.
    pub roles: Vec<String>,
}

impl User {
    /// Whether it has a role.
    pub fn has_role(&self, role: &str) -> bool {
        self.roles.binary_search_by(|own| own.as_str().cmp(role)).is_ok()
    }
}
