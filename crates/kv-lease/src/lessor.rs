use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use kv_types::LeaseId;
use thiserror::Error;

/// A lease was not granted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum GrantError {
    /// The id is taken.
    #[error("lease {0} already exists")]
    Exists(LeaseId),
}

/// The replicated part of leases. Deterministic: everything comes in the order of ids or of keys.
///
/// What is attached is not recorded with a lease but known from the keys; whoever loads leases attaches the
/// keys again.
#[derive(Clone, Debug, Default)]
pub struct Lessor {
    leases: BTreeMap<LeaseId, Lease>,
    /// Leases granted or ended since a checkpoint last recorded them.
    dirty: BTreeSet<LeaseId>,
}

#[derive(Clone, Debug)]
struct Lease {
    ttl_seconds: i64,
    keys: BTreeSet<Bytes>,
}

impl Lease {
    fn new(ttl_seconds: i64) -> Self {
        Self {
            ttl_seconds,
            keys: BTreeSet::new(),
        }
    }
}

impl Lessor {
    /// No leases.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a lease that lives for `ttl_seconds` without being renewed.
    ///
    /// # Errors
    /// [`GrantError::Exists`] if there is one with this id; it stays as it is.
    pub fn grant(&mut self, id: LeaseId, ttl_seconds: i64) -> Result<(), GrantError> {
        if self.leases.contains_key(&id) {
            return Err(GrantError::Exists(id));
        }
        self.leases.insert(id, Lease::new(ttl_seconds));
        self.dirty.insert(id);
        Ok(())
    }

    /// Ends a lease. The keys that were attached to it, in order, are the caller's to delete in one revision;
    /// `None` if there is no such lease.
    pub fn revoke(&mut self, id: LeaseId) -> Option<Vec<Bytes>> {
        let lease = self.leases.remove(&id)?;
        self.dirty.insert(id);
        Some(lease.keys.into_iter().collect())
    }

    /// The granted time to live, in seconds, if the lease exists.
    pub fn ttl(&self, id: LeaseId) -> Option<i64> {
        self.leases.get(&id).map(|lease| lease.ttl_seconds)
    }

    /// The keys attached to a lease, in order, if the lease exists.
    pub fn keys(&self, id: LeaseId) -> Option<impl ExactSizeIterator<Item = &Bytes>> {
        self.leases.get(&id).map(|lease| lease.keys.iter())
    }

    /// Attaches a key to a lease that exists.
    pub fn attach(&mut self, id: LeaseId, key: &Bytes) {
        let lease = self.leases.get_mut(&id);
        debug_assert!(lease.is_some(), "attach to lease {id}, which does not exist");
        if let Some(lease) = lease {
            lease.keys.insert(key.clone());
        }
    }

    /// Detaches a key. A lease that has just ended has no keys, so nothing is left to do for it.
    pub fn detach(&mut self, id: LeaseId, key: &Bytes) {
        if let Some(lease) = self.leases.get_mut(&id) {
            lease.keys.remove(key);
        }
    }

    /// Every lease and its time to live in seconds, in the order of ids.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (LeaseId, i64)> {
        self.leases.iter().map(|(id, lease)| (*id, lease.ttl_seconds))
    }

    /// How many leases there are.
    pub fn len(&self) -> usize {
        self.leases.len()
    }

    /// Whether there is no lease.
    pub fn is_empty(&self) -> bool {
        self.leases.is_empty()
    }

    /// Adds a lease from its record; it need not be recorded again.
    pub fn load(&mut self, id: LeaseId, ttl_seconds: i64) {
        self.leases.insert(id, Lease::new(ttl_seconds));
    }

    /// The leases granted or ended since they were last recorded, in the order of ids.
    pub fn dirty(&self) -> impl ExactSizeIterator<Item = LeaseId> {
        self.dirty.iter().copied()
    }

    /// Takes note of what a checkpoint has recorded: each lease with its time to live, or its end. Those that
    /// have changed since stay dirty.
    pub fn clean(&mut self, recorded: impl IntoIterator<Item = (LeaseId, Option<i64>)>) {
        for (id, ttl_seconds) in recorded {
            if self.ttl(id) == ttl_seconds {
                self.dirty.remove(&id);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const A: LeaseId = LeaseId::new(1);
    const B: LeaseId = LeaseId::new(2);

    fn key(name: &'static str) -> Bytes {
        Bytes::from_static(name.as_bytes())
    }

    #[test]
    fn a_taken_id_is_refused_and_the_lease_stays_as_it_is() {
        let mut lessor = Lessor::new();
        lessor.grant(A, 10).unwrap();
        assert_eq!(lessor.grant(A, 20), Err(GrantError::Exists(A)));
        assert_eq!(lessor.ttl(A), Some(10));
    }

    #[test]
    fn revoke_gives_the_attached_keys_in_order_and_unknown_leases_give_none() {
        let mut lessor = Lessor::new();
        lessor.grant(A, 10).unwrap();
        for name in ["c", "a", "b", "d"] {
            lessor.attach(A, &key(name));
        }
        lessor.detach(A, &key("b"));
        assert_eq!(lessor.keys(A).unwrap().len(), 3);
        assert_eq!(lessor.revoke(A).unwrap(), [key("a"), key("c"), key("d")]);
        assert_eq!(lessor.revoke(A), None);
        lessor.detach(A, &key("a"));
        assert!(lessor.is_empty());
    }

    #[test]
    fn what_changes_while_a_checkpoint_is_written_stays_dirty() {
        let mut lessor = Lessor::new();
        lessor.load(A, 5);
        assert_eq!(lessor.dirty().len(), 0, "a loaded lease is recorded already");
        lessor.grant(B, 7).unwrap();
        let recorded: Vec<_> = lessor.dirty().map(|id| (id, lessor.ttl(id))).collect();
        lessor.revoke(B);
        lessor.clean(recorded);
        assert_eq!(lessor.dirty().collect::<Vec<_>>(), [B]);
        lessor.clean([(B, None)]);
        assert_eq!(lessor.dirty().len(), 0);
    }

    #[derive(Clone, Debug)]
    enum Step {
        Grant(i64, i64),
        Revoke(i64),
        Attach(i64, u8),
        Detach(i64, u8),
        Checkpoint,
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            (0..6i64, 1..9i64).prop_map(|(id, ttl)| Step::Grant(id, ttl)),
            (0..6i64).prop_map(Step::Revoke),
            (0..6i64, any::<u8>()).prop_map(|(id, key)| Step::Attach(id, key)),
            (0..6i64, any::<u8>()).prop_map(|(id, key)| Step::Detach(id, key)),
            Just(Step::Checkpoint),
        ]
    }

    proptest! {
        /// The model is a list of (lease, time to live, keys) and what the last checkpoint wrote.
        #[test]
        fn a_lessor_agrees_with_a_list(steps in prop::collection::vec(step(), 0..80)) {
            let mut lessor = Lessor::new();
            let mut model: Vec<(i64, i64, Vec<Bytes>)> = Vec::new();
            let mut records: BTreeMap<LeaseId, i64> = BTreeMap::new();
            for step in steps {
                match step {
                    Step::Grant(id, ttl) => {
                        let free = model.iter().all(|lease| lease.0 != id);
                        prop_assert_eq!(lessor.grant(LeaseId::new(id), ttl).is_ok(), free);
                        if free {
                            model.push((id, ttl, Vec::new()));
                        }
                    }
                    Step::Revoke(id) => {
                        let at = model.iter().position(|lease| lease.0 == id);
                        let keys = at.map(|at| model.swap_remove(at).2).map(|mut keys| {
                            keys.sort();
                            keys
                        });
                        prop_assert_eq!(lessor.revoke(LeaseId::new(id)), keys);
                    }
                    Step::Attach(id, byte) => {
                        let Some(lease) = model.iter_mut().find(|lease| lease.0 == id) else { continue };
                        let key = Bytes::from(vec![byte]);
                        lessor.attach(LeaseId::new(id), &key);
                        if !lease.2.contains(&key) {
                            lease.2.push(key);
                        }
                    }
                    Step::Detach(id, byte) => {
                        let key = Bytes::from(vec![byte]);
                        lessor.detach(LeaseId::new(id), &key);
                        if let Some(lease) = model.iter_mut().find(|lease| lease.0 == id) {
                            lease.2.retain(|other| *other != key);
                        }
                    }
                    Step::Checkpoint => {
                        let recorded: Vec<_> = lessor.dirty().map(|id| (id, lessor.ttl(id))).collect();
                        for (id, ttl) in &recorded {
                            match ttl {
                                Some(ttl) => records.insert(*id, *ttl),
                                None => records.remove(id),
                            };
                        }
                        lessor.clean(recorded);
                        prop_assert!(lessor.iter().eq(records.iter().map(|(id, ttl)| (*id, *ttl))));
                    }
                }
                model.sort();
                let ids: Vec<_> = model.iter().map(|lease| (LeaseId::new(lease.0), lease.1)).collect();
                prop_assert_eq!(lessor.iter().collect::<Vec<_>>(), ids);
            }
        }
    }
}
