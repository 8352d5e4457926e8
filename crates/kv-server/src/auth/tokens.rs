use std::time::Duration;

use kv_auth::{AuthError, Caller};
use kv_machine::Authenticated;
use kv_types::LogIndex;

use super::simple_tokens::{index_of, random_prefix};
use crate::error::RequestError;
use crate::options::TokenOptions;
use crate::replica::Replica;

/// Makes tokens, and finds out whose they are.
pub(crate) enum Tokens {
    /// The members remember them.
    Simple {
        /// How long one lives without being used.
        ttl: Duration,
    },
}

impl Tokens {
    pub(crate) fn new(options: &TokenOptions) -> Self {
        match options {
            TokenOptions::Simple { ttl } => Self::Simple { ttl: *ttl },
        }
    }

    /// What the token begins with that the members are to remember; empty if they are to remember none.
    pub(crate) fn prefix(&self) -> String {
        match self {
            Self::Simple { .. } => random_prefix(),
        }
    }

    /// The token of a user who was let in.
    pub(crate) fn issue(&self, authenticated: Authenticated) -> Result<String, RequestError> {
        match self {
            Self::Simple { .. } => Ok(authenticated.token),
        }
    }

    /// Whose token it is. Waits, for `patience` at most, until this member has applied the entry that assigned it.
    pub(crate) async fn caller(
        &self,
        replica: &Replica,
        token: &str,
        patience: Duration,
    ) -> Result<Caller, AuthError> {
        match self {
            Self::Simple { ttl } => {
                let index = index_of(token).ok_or(AuthError::InvalidToken)?;
                tokio::time::timeout(patience, replica.wait_applied(LogIndex::new(index)))
                    .await
                    .map_err(|_| AuthError::InvalidToken)?;
                // Before the token is looked at: what changes meanwhile makes the caller old.
                let revision = replica.auth.store().revision();
                let user = replica.tokens.user(token, *ttl).ok_or(AuthError::InvalidToken)?;
                Ok(Caller { user, revision })
            }
        }
    }
}
