use std::fmt;
use std::sync::Arc;

/// What a request brings to prove whose it is.
///
/// A verified client certificate, whose common name is the user, will be one more when there is TLS.
#[derive(Clone, Default, PartialEq, Eq)]
pub enum Credentials {
    /// Nothing.
    #[default]
    None,
    /// A token that some member gave for a password.
    Token(Arc<str>),
    /// The member itself, which needs no permission: for its health, say.
    Member,
}

impl Credentials {
    /// A token, as metadata has it.
    pub fn token(token: &str) -> Self {
        Self::Token(token.strip_prefix("Bearer ").unwrap_or(token).into())
    }
}

/// Tokens do not belong into logs.
impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::None => "None",
            Self::Token(_) => "Token(..)",
            Self::Member => "Member",
        })
    }
}
