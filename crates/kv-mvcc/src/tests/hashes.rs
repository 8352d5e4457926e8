//! Hashes that a real etcd 3.7.3 answered for the same history.

use kv_types::{LeaseId, Revision};

use super::*;

const LEASE: i64 = 1_234_567_890_123;

struct Checked {
    store: Store,
    leases: Leases,
}

impl Checked {
    fn put(&mut self, key: &str, value: &str) {
        self.store.put(&put(key, value), &mut self.leases).unwrap();
    }

    fn delete(&mut self, key: &str, range_end: &str) {
        self.store
            .delete(&delete(key, range_end), &mut self.leases)
            .unwrap();
    }

    /// Compares the hashes at the revisions given, as it is and with all garbage gone.
    fn check(&mut self, compacted: i64, hashes: &[(i64, u32)]) {
        self.check_once(compacted, hashes);
        collect_garbage(&mut self.store, 2);
        self.check_once(compacted, hashes);
    }

    fn check_once(&self, compacted: i64, hashes: &[(i64, u32)]) {
        let view = self.store.view();
        for &(at, expected) in hashes {
            let hash = view.hash_kv(Some(Revision::new(at))).unwrap();
            assert_eq!(
                (hash.hash_revision.get(), hash.compact_revision.get(), hash.hash),
                (at, compacted, expected)
            );
        }
        let current = view.hash_kv(None).unwrap();
        assert_eq!(
            (current.hash_revision, current.revision),
            (view.revision(), view.revision())
        );
    }

    fn compact(&mut self, at: i64) {
        self.store.compact(Revision::new(at)).unwrap();
    }
}

#[test]
fn hashes_are_those_of_etcd_for_the_same_history() {
    let mut checked = Checked {
        store: open(memory()),
        leases: Leases::with([LEASE]),
    };
    checked.check(-1, &[(1, 1_084_519_789)]);
    checked.put("a", "1");
    checked.put("b", &"v".repeat(300));
    checked.put("a", "2");
    let leased = PutRequest {
        lease: PutLease::Set(LeaseId::from_wire(LEASE)),
        ..put("l", "leased")
    };
    checked.store.put(&leased, &mut checked.leases).unwrap();
    checked.check(-1, &[(3, 2_191_069_486), (5, 3_701_394_147)]);

    checked.delete("b", "");
    checked.put("b", "again");
    checked.put("a", "3");
    let txn = TxnRequest {
        success: vec![
            Op::Put(put("c", "1")),
            Op::Put(put("d", "")),
            Op::Delete(delete("a", "")),
        ],
        ..TxnRequest::default()
    };
    checked.store.txn(&txn, &mut checked.leases).unwrap();
    checked.check(
        -1,
        &[
            (2, 2_587_454_935),
            (4, 2_937_274_132),
            (6, 504_478_941),
            (7, 750_412_313),
            (8, 2_492_905_828),
            (9, 3_002_842_276),
        ],
    );

    checked.compact(6);
    checked.check(6, &[(7, 334_904_533), (8, 173_810_408), (9, 624_436_874)]);

    checked.put("a", "back");
    checked.compact(9);
    checked.check(9, &[(10, 1_121_429_352)]);

    checked.delete("\0", "\0");
    checked.check(9, &[(11, 2_619_237_378)]);

    // What is left is the tombstones of this very revision, which the hash leaves out.
    checked.compact(11);
    checked.check(11, &[(11, 1_084_519_789)]);
    checked.put("x", "1");
    checked.check(11, &[(12, 1_153_847_609)]);
    checked.compact(12);
    checked.check(12, &[(12, 1_153_847_609)]);
}
