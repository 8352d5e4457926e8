use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use parking_lot::Mutex;

const SHARDS: usize = 16;

/// Unpacked parts of blocks by block number, bounded in bytes. What was not used since it was last looked at
/// goes first.
pub(super) struct Cache<V> {
    shards: [Mutex<Shard<V>>; SHARDS],
    shard_bytes_max: usize,
}

struct Shard<V> {
    slots: BTreeMap<u64, Slot<V>>,
    /// The order in which slots are looked at.
    // Invariant: the keys of `slots`, each once.
    queue: VecDeque<u64>,
    // Invariant: the sum over `slots`.
    bytes: usize,
}

struct Slot<V> {
    value: Arc<V>,
    bytes: usize,
    used: bool,
}

impl<V> Cache<V> {
    pub(super) fn new(bytes_max: usize) -> Self {
        let shard = || Shard {
            slots: BTreeMap::new(),
            queue: VecDeque::new(),
            bytes: 0,
        };
        Self {
            shards: std::array::from_fn(|_| Mutex::new(shard())),
            shard_bytes_max: bytes_max / SHARDS,
        }
    }

    pub(super) fn get(&self, number: u64) -> Option<Arc<V>> {
        let mut shard = self.shard(number).lock();
        let slot = shard.slots.get_mut(&number)?;
        slot.used = true;
        Some(Arc::clone(&slot.value))
    }

    /// Keeps `value`, which takes `bytes`, unless it alone would fill much of the cache.
    pub(super) fn insert(&self, number: u64, value: Arc<V>, bytes: usize) {
        if bytes > self.shard_bytes_max {
            return;
        }
        let mut shard = self.shard(number).lock();
        if shard.slots.contains_key(&number) {
            return;
        }
        shard.slots.insert(
            number,
            Slot {
                value,
                bytes,
                used: false,
            },
        );
        shard.queue.push_back(number);
        shard.bytes += bytes;
        shard.evict(self.shard_bytes_max);
    }

    /// Bytes of all that is kept.
    #[cfg(test)]
    pub(super) fn bytes(&self) -> usize {
        self.shards.iter().map(|shard| shard.lock().bytes).sum()
    }

    fn shard(&self, number: u64) -> &Mutex<Shard<V>> {
        // Numbers are given in turn, so they spread evenly.
        &self.shards[usize::from(number.to_le_bytes()[0]) % SHARDS]
    }
}

impl<V> Shard<V> {
    fn evict(&mut self, bytes_max: usize) {
        while self.bytes > bytes_max
            && let Some(number) = self.queue.pop_front()
        {
            match self.slots.get_mut(&number) {
                Some(slot) if slot.used => {
                    slot.used = false;
                    self.queue.push_back(number);
                }
                _ => {
                    let slot = self.slots.remove(&number);
                    self.bytes -= slot.map_or(0, |slot| slot.bytes);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_stays_within_its_bound_and_keeps_what_is_used() {
        let cache = Cache::new(SHARDS * 100);
        cache.insert(0, Arc::new("used"), 10);
        for number in 1..10_000 {
            cache.insert(number, Arc::new("once"), 10);
            assert!(cache.get(0).is_some(), "{number}");
            assert!(cache.bytes() <= SHARDS * 100);
        }
        assert!(cache.get(16).is_none());
        assert!(cache.get(9_999).is_some());
        cache.insert(20_000, Arc::new("too large"), 101);
        assert!(cache.get(20_000).is_none());
    }
}
