use std::sync::Arc;
use std::time::Duration;

use kv_raft::host;
use tokio::sync::Semaphore;

use crate::error::{PASSWORD_BYTES_MAX, RequestError};

/// Passwords that wait to be hashed or checked at most; more are refused. At etcd's default cost a core does some
/// twenty in a second.
const WAITING_MAX: usize = 128;

/// Hashes and checks passwords, off the runtime and few at a time: each keeps a core busy for tens of milliseconds,
/// and whoever may only try passwords must not stop everybody else.
pub(crate) struct Passwords {
    cost: u32,
    running: Arc<Semaphore>,
    waiting: Semaphore,
    patience: Duration,
}

impl Passwords {
    pub(crate) fn new(cost: u32, patience: Duration) -> Self {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        Self {
            cost,
            running: Arc::new(Semaphore::new((cores / 2).max(1))),
            waiting: Semaphore::new(WAITING_MAX),
            patience,
        }
    }

    /// The hash of a new password, with a new salt. As etcd writes it.
    pub(crate) async fn hash(&self, password: String) -> Result<String, RequestError> {
        if password.len() > PASSWORD_BYTES_MAX {
            return Err(RequestError::PasswordTooLong);
        }
        let cost = self.cost;
        let salt = [host::random_u64().to_le_bytes(), host::random_u64().to_le_bytes()];
        self.run(move || {
            let salt = salt.as_flattened().try_into().unwrap_or_default();
            bcrypt::hash_with_salt(password, cost, salt)
                .map(|parts| parts.format_for_version(bcrypt::Version::TwoA))
        })
        .await?
        .map_err(|error| RequestError::Internal(format!("hash password: {error}")))
    }

    /// Whether the password has this hash; not if the hash is none.
    pub(crate) async fn verify(&self, password: String, hash: String) -> Result<bool, RequestError> {
        self.run(move || bcrypt::verify(password, &hash).unwrap_or(false))
            .await
    }

    async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, RequestError> {
        let _waiting = self
            .waiting
            .try_acquire()
            .map_err(|_| RequestError::TooManyRequests)?;
        let turn = Arc::clone(&self.running).acquire_owned();
        let turn = tokio::time::timeout(self.patience, turn)
            .await
            .map_err(|_| RequestError::TooManyRequests)?
            .map_err(|_| RequestError::Stopped)?;
        // The turn goes with the work: it goes on even if nobody waits for it any more.
        host::blocking(move || {
            let _turn = turn;
            work()
        })
        .await
        .map_err(|error| RequestError::Internal(error.to_string()))
    }
}

#[cfg(test)]
mod tests {
    use futures_util::future::join_all;

    use super::*;

    fn passwords() -> Passwords {
        Passwords::new(4, Duration::from_secs(60))
    }

    #[tokio::test]
    async fn a_password_is_known_by_its_hash() {
        let passwords = passwords();
        let hash = passwords.hash("secret".into()).await.unwrap();
        assert!(hash.starts_with("$2a$04$"), "{hash}");
        assert_ne!(passwords.hash("secret".into()).await.unwrap(), hash);
        for (password, want) in [("secret", true), ("Secret", false), ("", false)] {
            assert_eq!(passwords.verify(password.into(), hash.clone()).await, Ok(want));
        }
        assert_eq!(passwords.verify(String::new(), String::new()).await, Ok(false));
    }

    /// Written by golang.org/x/crypto/bcrypt.
    #[tokio::test]
    async fn hashes_of_etcd_are_understood() {
        let hash = "$2a$10$XajjQvNhvvRt5GSeFk1xFeyqRrsxkhBkUiQeg0dt.wU1qD4aFDcga";
        assert_eq!(passwords().verify("allmine".into(), hash.into()).await, Ok(true));
    }

    #[tokio::test]
    async fn too_long_and_too_many_are_refused() {
        let passwords = passwords();
        let hash = |length| passwords.hash("x".repeat(length));
        assert!(hash(72).await.is_ok());
        assert_eq!(hash(73).await, Err(RequestError::PasswordTooLong));
        let tries = (0..WAITING_MAX + 1).map(|_| passwords.verify("x".into(), "y".into()));
        let refused = join_all(tries)
            .await
            .into_iter()
            .filter(|tried| *tried == Err(RequestError::TooManyRequests));
        assert_eq!(refused.count(), 1);
    }
}
