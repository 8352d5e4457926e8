use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arc_swap::ArcSwap;
use kv_auth::AuthStore;

/// The auth state as of the last entries applied, for those who judge requests.
///
/// Invariant: a state is published here before the view of the store that comes with it or after it. So whoever
/// finds the same epoch before and after reading a view was judged by the state that the view belongs to, or by a
/// later one.
#[derive(Debug)]
pub(crate) struct AuthBoard {
    store: ArcSwap<AuthStore>,
    /// Twice the number of states published, and 1 if auth is enabled.
    epoch: AtomicU64,
}

/// Changes whenever the auth state does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct AuthEpoch(u64);

impl AuthEpoch {
    /// Whether requests need a user.
    pub(crate) fn is_enabled(self) -> bool {
        self.0 & 1 == 1
    }
}

impl AuthBoard {
    pub(crate) fn new(store: Arc<AuthStore>) -> Self {
        Self {
            epoch: AtomicU64::new(u64::from(store.is_enabled())),
            store: ArcSwap::new(store),
        }
    }

    /// Whether it changed anything.
    pub(crate) fn publish(&self, store: &Arc<AuthStore>) -> bool {
        if Arc::ptr_eq(&self.store.load(), store) {
            return false;
        }
        self.store.store(Arc::clone(store));
        let count = self.epoch.load(Ordering::Relaxed) / 2 + 1;
        self.epoch
            .store(2 * count + u64::from(store.is_enabled()), Ordering::Release);
        true
    }

    pub(crate) fn store(&self) -> Arc<AuthStore> {
        self.store.load_full()
    }

    /// All that requests look at while auth is not enabled.
    pub(crate) fn epoch(&self) -> AuthEpoch {
        AuthEpoch(self.epoch.load(Ordering::Acquire))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_epoch_changes_with_the_state_only() {
        let first = Arc::new(AuthStore::default());
        let board = AuthBoard::new(Arc::clone(&first));
        let epoch = board.epoch();
        assert!(!board.publish(&first) && board.epoch() == epoch && !epoch.is_enabled());
        let enabled = AuthStore::from_parts(true, first.revision(), [], []);
        assert!(board.publish(&Arc::new(enabled)));
        assert!(board.epoch() != epoch && board.epoch().is_enabled());
        assert!(board.publish(&first) && !board.epoch().is_enabled());
    }
}
