use std::collections::HashMap;
use std::time::Duration;

use kv_machine::TokenEffect;
use kv_raft::host;
use parking_lot::Mutex;
use tokio::time::Instant;

/// Tokens that are remembered at most; with more, the one that would end first goes. Each costs somebody a check of
/// a password, and lives minutes.
const TOKENS_MAX: usize = 100_000;

/// How often at most tokens that have ended are looked for.
const SWEEP_INTERVAL: Duration = Duration::from_secs(1);

/// Letters that a token begins with.
const PREFIX_LETTERS: usize = 16;

/// Random tokens, each `letters.index`: the index is that of the log entry which assigned it, so that a member knows
/// how far it must have applied to know the token. They are in memory alone: after a restart, users log in again.
#[derive(Debug, Default)]
pub(crate) struct SimpleTokens {
    known: Mutex<Known>,
}

#[derive(Default)]
struct Known {
    by_token: HashMap<String, Grant>,
    swept: Option<Instant>,
}

/// Tokens do not belong into logs.
impl std::fmt::Debug for Known {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} tokens", self.by_token.len())
    }
}

struct Grant {
    user: String,
    used: Instant,
}

impl SimpleTokens {
    /// What was applied to tokens.
    pub(crate) fn applied(&self, effects: Vec<TokenEffect>) {
        if effects.is_empty() {
            return;
        }
        let mut known = self.known.lock();
        for effect in effects {
            match effect {
                TokenEffect::Assigned { token, user } => {
                    let used = Instant::now();
                    known.by_token.insert(token, Grant { user, used });
                }
                TokenEffect::UserInvalidated(user) => known.by_token.retain(|_, grant| grant.user != user),
                TokenEffect::AllInvalidated => known.by_token.clear(),
            }
        }
        known.make_room();
    }

    /// Forgets all: what happened to them meanwhile is not known.
    pub(crate) fn forget_all(&self) {
        self.known.lock().by_token.clear();
    }

    /// Whose token it is; it lives on for `ttl` from now.
    pub(crate) fn user(&self, token: &str, ttl: Duration) -> Option<String> {
        let now = Instant::now();
        let mut known = self.known.lock();
        known.sweep(now, ttl);
        let grant = known.by_token.get_mut(token)?;
        if now - grant.used > ttl {
            return None;
        }
        grant.used = now;
        Some(grant.user.clone())
    }
}

impl Known {
    fn sweep(&mut self, now: Instant, ttl: Duration) {
        if self.swept.is_none_or(|swept| now - swept >= SWEEP_INTERVAL) {
            self.swept = Some(now);
            self.by_token.retain(|_, grant| now - grant.used <= ttl);
        }
    }

    fn make_room(&mut self) {
        while self.by_token.len() > TOKENS_MAX {
            let oldest = self.by_token.iter().min_by_key(|(_, grant)| grant.used);
            let Some(oldest) = oldest.map(|(token, _)| token.clone()) else {
                return;
            };
            self.by_token.remove(&oldest);
        }
    }
}

/// What a new token begins with.
pub(crate) fn random_prefix() -> String {
    const LETTERS: &[u8; 52] = b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
    // The bias of the remainder is less than one in 2^58.
    let letter = |_| char::from(LETTERS[usize::try_from(host::random_u64() % 52).unwrap_or(0)]);
    (0..PREFIX_LETTERS).map(letter).collect()
}

/// The log index that a token ends with.
pub(crate) fn index_of(token: &str) -> Option<u64> {
    let (prefix, index) = token.split_once('.')?;
    let is_number = !index.is_empty() && index.bytes().all(|byte| byte.is_ascii_digit());
    if prefix.contains('.') || !is_number {
        return None;
    }
    index.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const TTL: Duration = Duration::from_secs(300);

    fn assigned(token: &str, user: &str) -> TokenEffect {
        TokenEffect::Assigned {
            token: token.into(),
            user: user.into(),
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_token_lives_as_long_as_it_is_used() {
        let tokens = SimpleTokens::default();
        tokens.applied(vec![assigned("a.1", "u"), assigned("b.2", "u")]);
        for _ in 0..3 {
            tokio::time::advance(TTL).await;
            assert_eq!(tokens.user("a.1", TTL).as_deref(), Some("u"));
        }
        assert_eq!(tokens.user("b.2", TTL), None);
        tokio::time::advance(TTL + Duration::from_millis(1)).await;
        assert_eq!(tokens.user("a.1", TTL), None);
        assert!(tokens.known.lock().by_token.is_empty());
    }

    #[tokio::test]
    async fn tokens_end_with_their_user_and_with_auth() {
        let tokens = SimpleTokens::default();
        tokens.applied(vec![assigned("a.1", "u"), assigned("b.2", "v")]);
        tokens.applied(vec![TokenEffect::UserInvalidated("u".into())]);
        assert_eq!(tokens.user("a.1", TTL), None);
        assert_eq!(tokens.user("b.2", TTL).as_deref(), Some("v"));
        tokens.applied(vec![TokenEffect::AllInvalidated]);
        assert_eq!(tokens.user("b.2", TTL), None);
        tokens.applied(vec![assigned("c.3", "v")]);
        tokens.forget_all();
        assert_eq!(tokens.user("c.3", TTL), None);
    }

    #[test]
    fn tokens_are_letters_and_an_index() {
        let prefix = random_prefix();
        assert_eq!(prefix.len(), PREFIX_LETTERS);
        assert!(prefix.bytes().all(|byte| byte.is_ascii_alphabetic()));
        assert_ne!(prefix, random_prefix());
        assert_eq!(index_of("abc.27"), Some(27));
        for wrong in [
            "",
            "abc",
            "abc.",
            "abc.x",
            "a.b.1",
            "abc.-1",
            "abc.+1",
            "abc.99999999999999999999",
        ] {
            assert_eq!(index_of(wrong), None, "{wrong}");
        }
    }
}
