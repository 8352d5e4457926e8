use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::Notify;

/// An amount of something that all connections share.
///
/// While less than `max` is used, everybody gets what they ask for. Beyond, those get it who then have no more than
/// an equal share. So at most twice `max` is used, and one piece that was taken when there was room.
#[derive(Debug)]
pub(crate) struct Pool {
    max: u64,
    used: AtomicU64,
    /// Connections that use some.
    sharers: AtomicU64,
    freed: Notify,
}

impl Pool {
    pub(crate) fn new(max: u64) -> Arc<Self> {
        Arc::new(Self {
            max,
            used: AtomicU64::new(0),
            sharers: AtomicU64::new(0),
            freed: Notify::new(),
        })
    }

    #[cfg(test)]
    pub(super) fn used(&self) -> u64 {
        self.used.load(Ordering::Relaxed)
    }
}

/// What one connection uses of a pool.
#[derive(Debug)]
pub(crate) struct Share {
    pool: Arc<Pool>,
    used: AtomicU64,
}

impl Share {
    pub(crate) fn of(pool: &Arc<Pool>) -> Arc<Self> {
        Arc::new(Self {
            pool: Arc::clone(pool),
            used: AtomicU64::new(0),
        })
    }

    /// Holds nothing yet.
    pub(crate) fn hold_none(self: &Arc<Self>) -> Held {
        Held {
            share: Arc::clone(self),
            amount: AtomicU64::new(0),
        }
    }

    /// Holds as much, unless it is not to be had now.
    pub(crate) fn try_hold(self: &Arc<Self>, amount: u64) -> Option<Held> {
        let held = self.hold_none();
        held.try_grow(amount).then_some(held)
    }

    /// Holds as much, waiting for it.
    pub(crate) async fn hold(self: &Arc<Self>, amount: u64) -> Held {
        loop {
            let mut freed = std::pin::pin!(self.pool.freed.notified());
            // What is freed from here on is not missed.
            freed.as_mut().enable();
            if let Some(held) = self.try_hold(amount) {
                return held;
            }
            freed.await;
        }
    }

    fn may_take(&self, pool_used: u64, amount: u64) -> bool {
        let fair = || {
            let mine = self.used.load(Ordering::Relaxed);
            let others = self
                .pool
                .sharers
                .load(Ordering::Relaxed)
                .saturating_sub(u64::from(mine > 0));
            mine.saturating_add(amount) <= self.pool.max / others.saturating_add(1)
        };
        pool_used < self.pool.max || fair()
    }

    fn add(&self, amount: u64) {
        if amount > 0 && self.used.fetch_add(amount, Ordering::Relaxed) == 0 {
            self.pool.sharers.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn release(&self, amount: u64) {
        if amount == 0 {
            return;
        }
        if self.used.fetch_sub(amount, Ordering::Relaxed) == amount {
            self.pool.sharers.fetch_sub(1, Ordering::Relaxed);
        }
        self.pool.used.fetch_sub(amount, Ordering::Relaxed);
        self.pool.freed.notify_waiters();
    }
}

/// What is held of a share; given back when it is dropped.
#[derive(Debug)]
pub(crate) struct Held {
    share: Arc<Share>,
    amount: AtomicU64,
}

impl Held {
    pub(crate) fn amount(&self) -> u64 {
        self.amount.load(Ordering::Relaxed)
    }

    /// Takes more, unless it is not to be had now.
    pub(crate) fn try_grow(&self, amount: u64) -> bool {
        let used = &self.share.pool.used;
        let grown = used.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |used| {
            self.share.may_take(used, amount).then_some(used + amount)
        });
        if grown.is_ok() {
            self.share.add(amount);
            self.amount.fetch_add(amount, Ordering::Relaxed);
        }
        grown.is_ok()
    }

    /// Holds exactly as much from now on, unless that is more and not to be had.
    pub(crate) fn try_set(&self, amount: u64) -> bool {
        let more = amount.saturating_sub(self.amount());
        if more > 0 {
            return self.try_grow(more);
        }
        self.set(amount);
        true
    }

    /// Holds exactly as much from now on: for what is there already and can only be counted.
    pub(crate) fn set(&self, amount: u64) {
        let before = self.amount.swap(amount, Ordering::Relaxed);
        if let Some(more) = amount.checked_sub(before) {
            self.share.pool.used.fetch_add(more, Ordering::Relaxed);
            self.share.add(more);
        } else {
            self.share.release(before - amount);
        }
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.share.release(self.amount());
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    #[test]
    fn while_there_is_enough_one_may_take_all() {
        let share = Share::of(&Pool::new(10));
        let most = share.try_hold(9).unwrap();
        // The last piece may be larger than what is left.
        let last = share.try_hold(100).unwrap();
        assert!(share.try_hold(1).is_none());
        drop(last);
        assert_eq!(most.amount(), 9);
        assert!(share.try_hold(1).is_some());
    }

    #[test]
    fn who_takes_everything_leaves_others_their_share() {
        let pool = Pool::new(12);
        let [greedy, first, second] = [(); 3].map(|()| Share::of(&pool));
        let all = greedy.try_hold(12).unwrap();
        assert!(greedy.try_hold(1).is_none());
        let of_two = first.try_hold(6).unwrap();
        assert!(first.try_hold(1).is_none());
        assert!(second.try_hold(5).is_none());
        let of_three = second.try_hold(4).unwrap();
        drop((all, of_two, of_three));
        assert_eq!((pool.used(), pool.sharers.load(Ordering::Relaxed)), (0, 0));
    }

    #[test]
    fn what_was_estimated_is_corrected() {
        let pool = Pool::new(10);
        let [one, other] = [(); 2].map(|()| Share::of(&pool));
        let held = one.try_hold(3).unwrap();
        held.set(50);
        assert!(!held.try_grow(1) && !held.try_set(51));
        assert!(other.try_hold(6).is_none());
        held.set(2);
        assert!(held.try_set(3));
        drop(held);
        assert_eq!(pool.used(), 0);
        assert!(other.try_hold(6).is_some());
    }

    #[test]
    fn who_waits_gets_what_is_given_back() {
        let share = Share::of(&Pool::new(10));
        let all = share.try_hold(10).unwrap();
        let mut waiting = Box::pin(share.hold(4));
        assert!(waiting.as_mut().now_or_never().is_none());
        drop(all);
        assert_eq!(waiting.now_or_never().map(|held| held.amount()), Some(4));
    }
}
