use std::fmt;

use parking_lot::Mutex;
use tonic::Status;
use tonic::metadata::{Ascii, MetadataValue};

/// How a client proves whose it is.
#[derive(Clone, PartialEq, Eq)]
pub enum Login {
    /// By a password, for which a server gives tokens.
    Password {
        /// The user.
        user: String,
        /// Its password.
        password: String,
    },
    /// By a token that is there already.
    Token(String),
}

/// Passwords and tokens do not belong into logs.
impl fmt::Debug for Login {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Password { user, .. } => write!(f, "Password({user:?})"),
            Self::Token(_) => f.write_str("Token(..)"),
        }
    }
}

/// Metadata of a call.
pub(crate) type Token = MetadataValue<Ascii>;

/// What is known of the token that calls are to carry.
#[derive(Clone, Debug)]
pub(crate) enum Known {
    /// It is to be asked for.
    Nothing,
    /// Calls need none: auth is not enabled.
    NotNeeded,
    /// This one.
    Token(Token),
}

/// The login of a client, and the token it has from it.
#[derive(Debug)]
pub(crate) struct Session {
    pub(crate) login: Login,
    known: Mutex<Known>,
}

impl Session {
    pub(crate) fn new(login: Login) -> Self {
        let known = match &login {
            Login::Password { .. } => Known::Nothing,
            // What is no text is refused by the server in any case.
            Login::Token(token) => token
                .parse()
                .map_or(Known::NotNeeded, |token| Known::Token(secret(token))),
        };
        Self {
            login,
            known: Mutex::new(known),
        }
    }

    pub(crate) fn known(&self) -> Known {
        self.known.lock().clone()
    }

    /// Takes note of a token, or that none is needed.
    pub(crate) fn learn(&self, token: Option<Token>) {
        *self.known.lock() = token.map_or(Known::NotNeeded, |token| Known::Token(secret(token)));
    }

    /// Whether another token may help; the one there is counts no more then.
    pub(crate) fn renews(&self, failure: &Status) -> bool {
        let helps = matches!(self.login, Login::Password { .. }) && is_about_token(failure);
        if helps {
            *self.known.lock() = Known::Nothing;
        }
        helps
    }
}

/// Keeps it out of debug output.
fn secret(mut token: Token) -> Token {
    token.set_sensitive(true);
    token
}

fn is_about_token(failure: &Status) -> bool {
    matches!(
        failure.message(),
        "etcdserver: invalid auth token"
            | "etcdserver: revision of auth store is old"
            | "etcdserver: user name is empty"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_that_counts_no_more_is_asked_for_again_if_there_is_a_password() {
        let invalid = Status::unauthenticated("etcdserver: invalid auth token");
        let denied = Status::permission_denied("etcdserver: permission denied");
        let session = Session::new(Login::Password {
            user: "u".into(),
            password: "secret".into(),
        });
        assert!(matches!(session.known(), Known::Nothing));
        session.learn(Some("t.1".parse().unwrap()));
        assert!(!session.renews(&denied) && matches!(session.known(), Known::Token(_)));
        assert!(session.renews(&invalid) && matches!(session.known(), Known::Nothing));
        session.learn(None);
        assert!(matches!(session.known(), Known::NotNeeded));

        let session = Session::new(Login::Token("t.1".into()));
        assert!(!session.renews(&invalid) && matches!(session.known(), Known::Token(_)));
    }

    #[test]
    fn nothing_secret_is_shown() {
        let session = Session::new(Login::Password {
            user: "u".into(),
            password: "secret".into(),
        });
        session.learn(Some("secret.1".parse().unwrap()));
        assert!(!format!("{session:?}").contains("secret"));
        assert!(!format!("{:?}", Login::Token("secret".into())).contains("secret"));
    }
}
