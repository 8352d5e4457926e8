//! The numbered cases of the API sheet that the store decides, and what else it says in words.

use kv_types::{LeaseId, Revision, RowRevision, Version};

use super::*;

/// A store with the leases 1 to 3.
struct Fixture {
    store: Store,
    leases: Leases,
}

impl Fixture {
    fn new() -> Self {
        Self {
            store: open(memory()),
            leases: Leases::with(1..4),
        }
    }

    /// A store with the keys given, one revision each from 2 on.
    fn with_keys(keys: &[&str]) -> Self {
        let mut fixture = Self::new();
        for key in keys {
            fixture.put(key, key);
        }
        fixture
    }

    fn put(&mut self, key: &str, value: &str) -> i64 {
        self.store
            .put(&put(key, value), &mut self.leases)
            .unwrap()
            .revision
            .get()
    }

    fn put_leased(&mut self, key: &str, lease: i64) -> Result<PutResult, WriteError> {
        let request = PutRequest {
            lease: PutLease::Set(LeaseId::from_wire(lease)),
            ..put(key, "")
        };
        self.store.put(&request, &mut self.leases)
    }

    /// How many keys were deleted, and the revision answered.
    fn delete(&mut self, key: &str, range_end: &str) -> (u64, i64) {
        let result = self
            .store
            .delete(&delete(key, range_end), &mut self.leases)
            .unwrap();
        (result.deleted, result.revision.get())
    }

    fn range(&self, request: &RangeRequest) -> RangeResult {
        self.store.view().range(request).unwrap()
    }

    fn get(&self, key: &str) -> Option<KeyValue> {
        self.range(&RangeRequest::new(range(key, ""))).kvs.pop()
    }

    fn txn(&mut self, request: &TxnRequest) -> TxnResult {
        self.store.txn(request, &mut self.leases).unwrap()
    }

    fn compact(&mut self, at: i64) -> Result<(), CompactError> {
        self.store.compact(Revision::new(at))
    }
}

fn everything() -> RangeRequest {
    RangeRequest::new(range("\0", "\0"))
}

fn at(revision: i64, request: RangeRequest) -> RangeRequest {
    RangeRequest {
        revision: Some(Revision::new(revision)),
        ..request
    }
}

fn keys(result: &RangeResult) -> Vec<&[u8]> {
    result.kvs.iter().map(|kv| &kv.key[..]).collect()
}

fn marks(kv: &KeyValue) -> (i64, i64, i64) {
    (kv.create_revision.get(), kv.mod_revision.get(), kv.version.get())
}

fn compare(key: &str, target: CompareTarget, result: CompareResult) -> Compare {
    Compare {
        range: range(key, ""),
        target,
        result,
    }
}

fn then(success: Vec<Op>) -> TxnRequest {
    TxnRequest {
        success,
        ..TxnRequest::default()
    }
}

#[test]
fn case_01_a_fresh_store_is_empty_at_revision_1() {
    let result = Fixture::new().range(&RangeRequest::new(range("a", "")));
    let empty = RangeResult {
        kvs: Vec::new(),
        more: false,
        count: 0,
        revision: Revision::INITIAL,
    };
    assert_eq!(result, empty);
}

#[test]
fn case_02_putting_an_equal_value_is_a_new_version() {
    let mut store = Fixture::new();
    assert_eq!((store.put("a", "1"), store.put("a", "1")), (2, 3));
    assert_eq!(marks(&store.get("a").unwrap()), (2, 3, 2));
}

#[test]
fn case_03_deleting_nothing_makes_no_revision() {
    let mut store = Fixture::with_keys(&["a", "a"]);
    assert_eq!(store.delete("zz", ""), (0, 3));
    assert_eq!(store.store.view().revision().get(), 3);
}

#[test]
fn case_04_a_key_put_after_its_deletion_begins_anew() {
    let mut store = Fixture::with_keys(&["a", "a"]);
    assert_eq!(store.delete("a", ""), (1, 4));
    assert_eq!(store.put("a", "2"), 5);
    assert_eq!(marks(&store.get("a").unwrap()), (5, 5, 1));
}

#[test]
fn case_05_a_read_in_the_past_carries_the_current_revision() {
    let mut store = Fixture::with_keys(&["a", "a"]);
    store.delete("a", "");
    store.put("a", "2");
    let result = store.range(&at(3, RangeRequest::new(range("a", ""))));
    assert_eq!(
        (marks(&result.kvs[0]), &result.kvs[0].value[..]),
        ((2, 3, 2), &b"a"[..])
    );
    assert_eq!(result.revision.get(), 5);
}

#[test]
fn case_06_a_future_revision_is_refused() {
    let store = Fixture::with_keys(&["a"]);
    let result = store.store.view().range(&at(3, everything()));
    assert!(matches!(result, Err(RangeError::FutureRevision)));
}

#[test]
fn case_07_a_compacted_revision_is_refused_and_its_own_is_not() {
    let mut store = Fixture::with_keys(&["a", "a", "a"]);
    assert_eq!(store.compact(5), Err(CompactError::FutureRevision));
    assert_eq!(store.compact(4), Ok(()));
    let view = store.store.view();
    assert!(matches!(
        view.range(&at(3, everything())),
        Err(RangeError::Compacted)
    ));
    assert_eq!(view.range(&at(4, everything())).unwrap().count, 1);
    assert_eq!(store.compact(4), Err(CompactError::Compacted));
}

#[test]
fn compacting_a_fresh_store_at_0_is_accepted_once() {
    let mut store = Fixture::new();
    assert_eq!(store.compact(-1), Err(CompactError::Compacted));
    assert_eq!(store.compact(0), Ok(()));
    assert_eq!(store.compact(0), Err(CompactError::Compacted));
}

#[test]
fn case_08_a_limit_cuts_keys_but_not_the_count() {
    let store = Fixture::with_keys(&["a", "b", "c"]);
    let result = store.range(&RangeRequest {
        limit: 2,
        ..everything()
    });
    assert_eq!(
        (keys(&result), result.more, result.count),
        (vec![&b"a"[..], b"b"], true, 3)
    );
}

#[test]
fn case_09_a_filter_comes_before_the_limit_and_after_the_count() {
    let store = Fixture::with_keys(&["a", "b", "c"]);
    let result = store.range(&RangeRequest {
        limit: 2,
        min_mod: Some(Revision::new(3)),
        ..everything()
    });
    assert_eq!(
        (keys(&result), result.more, result.count),
        (vec![&b"b"[..], b"c"], false, 3)
    );
}

#[test]
fn case_10_a_count_has_no_keys_and_no_more() {
    let store = Fixture::with_keys(&["a", "b", "c"]);
    let result = store.range(&RangeRequest {
        limit: 1,
        count_only: true,
        ..everything()
    });
    assert_eq!((result.kvs.len(), result.more, result.count), (0, false, 3));
}

#[test]
fn case_11_a_transaction_creates_a_key_once_and_then_reads_it() {
    let mut store = Fixture::new();
    let request = TxnRequest {
        compare: vec![compare(
            "x",
            CompareTarget::Mod(Revision::ZERO),
            CompareResult::Equal,
        )],
        success: vec![Op::Put(put("x", "1"))],
        failure: vec![Op::Range(RangeRequest::new(range("x", "")))],
    };
    let first = store.txn(&request);
    assert!(first.succeeded);
    let second = store.txn(&request);
    let [OpResult::Range(found)] = &second.responses[..] else {
        panic!("{second:?}")
    };
    assert_eq!(
        (second.succeeded, keys(found), second.revision.get()),
        (false, vec![&b"x"[..]], 2)
    );
}

#[test]
fn case_12_a_range_sees_what_its_transaction_wrote() {
    let mut store = Fixture::new();
    let result = store.txn(&then(vec![
        Op::Range(everything()),
        Op::Put(put("x", "1")),
        Op::Range(everything()),
        Op::Delete(delete("x", "")),
        Op::Range(everything()),
    ]));
    let [
        OpResult::Range(before),
        OpResult::Put(put),
        OpResult::Range(found),
        _,
        OpResult::Range(after),
    ] = &result.responses[..]
    else {
        panic!("{result:?}")
    };
    assert_eq!((before.count, before.revision.get()), (0, 1));
    assert_eq!(
        (put.revision.get(), found.revision.get(), result.revision.get()),
        (2, 2, 2)
    );
    assert_eq!((marks(&found.kvs[0]), after.count), ((2, 2, 1), 0));
}

#[test]
fn a_transaction_may_not_read_at_the_revision_it_makes() {
    let mut store = Fixture::with_keys(&["a"]);
    let request = then(vec![Op::Put(put("x", "1")), Op::Range(at(3, everything()))]);
    let result = store.store.txn(&request, &mut store.leases);
    assert!(matches!(
        result,
        Err(WriteError::Range(RangeError::FutureRevision))
    ));
    assert_eq!((store.get("x"), store.store.view().revision().get()), (None, 2));
}

#[test]
fn case_14_nested_branches_run_at_the_revision_of_the_outer_one() {
    let mut store = Fixture::new();
    let nested = TxnRequest {
        compare: vec![compare(
            "y",
            CompareTarget::Version(Version::ZERO),
            CompareResult::Greater,
        )],
        success: vec![Op::Put(put("x", "then"))],
        failure: vec![Op::Put(put("x", "else"))],
    };
    let result = store.txn(&then(vec![Op::Put(put("y", "1")), Op::Txn(Box::new(nested))]));
    let [_, OpResult::Txn(nested)] = &result.responses[..] else {
        panic!("{result:?}")
    };
    assert!(
        !nested.succeeded,
        "a nested condition sees the state before the transaction"
    );
    assert_eq!(&store.get("x").unwrap().value[..], b"else");
    assert_eq!(
        (marks(&store.get("x").unwrap()), result.revision.get()),
        ((2, 2, 1), 2)
    );
}

#[test]
fn case_16_no_condition_on_a_missing_value_holds() {
    let mut store = Fixture::new();
    let missing = |result| TxnRequest {
        compare: vec![compare("missing", CompareTarget::Value(bytes("v")), result)],
        ..TxnRequest::default()
    };
    assert!(!store.txn(&missing(CompareResult::NotEqual)).succeeded);
    assert!(!store.txn(&missing(CompareResult::Always)).succeeded);
}

#[test]
fn case_17_a_transaction_is_one_revision_with_its_changes_in_order() {
    let mut store = Fixture::with_keys(&["c"]);
    store.store.take_changes();
    store.txn(&then(vec![
        Op::Put(put("a", "1")),
        Op::Put(put("b", "1")),
        Op::Delete(delete("c", "")),
    ]));
    let changes = store.store.take_changes();
    let seen: Vec<_> = changes
        .iter()
        .map(|change| (&change.row.key[..], change.row.revision.sub, change.prev))
        .collect();
    let c = RowRevision::new(Revision::new(2), 0);
    assert_eq!(seen, [(&b"a"[..], 0, None), (b"b", 1, None), (b"c", 2, Some(c))]);
    assert!(changes.iter().all(|change| change.row.revision.main.get() == 3));
    assert_eq!(store.store.view().revision().get(), 3);
}

#[test]
fn case_28_a_put_without_a_lease_detaches_the_key() {
    let mut store = Fixture::new();
    store.put_leased("k", 1).unwrap();
    assert_eq!(store.leases.attached.get(&bytes("k")), Some(&LeaseId::new(1)));
    store.put("k", "");
    assert!(store.leases.attached.is_empty());
    store.put_leased("k", 2).unwrap();
    let keep = PutRequest {
        lease: PutLease::Keep,
        ..put("k", "new")
    };
    store.store.put(&keep, &mut store.leases).unwrap();
    assert_eq!(store.get("k").unwrap().lease, LeaseId::from_wire(2));
}

#[test]
fn case_29_the_keys_of_a_lease_are_deleted_at_one_revision_in_order() {
    let mut store = Fixture::new();
    store.put_leased("k2", 1).unwrap();
    store.put_leased("k1", 1).unwrap();
    store.store.take_changes();
    let keys = [bytes("k2"), bytes("gone"), bytes("k1")];
    let result = store.store.delete_keys(&keys, &mut store.leases);
    assert_eq!((result.deleted, result.revision.get()), (2, 4));
    let changes = store.store.take_changes();
    let deleted: Vec<_> = changes
        .iter()
        .map(|change| (&change.row.key[..], change.row.revision.sub))
        .collect();
    assert_eq!(deleted, [(&b"k1"[..], 0), (b"k2", 1)]);
    assert!(store.leases.attached.is_empty());
}

#[test]
fn case_30_a_put_with_an_unknown_lease_is_refused() {
    let mut store = Fixture::new();
    assert!(matches!(store.put_leased("k", 9), Err(WriteError::LeaseNotFound)));
    let keep_missing = PutRequest {
        value: PutValue::Keep,
        lease: PutLease::Set(None),
        ..put("k", "")
    };
    let result = store.store.put(&keep_missing, &mut store.leases);
    assert!(matches!(result, Err(WriteError::KeyNotFound)));
    assert_eq!(store.store.view().revision(), Revision::INITIAL);
}

#[test]
fn an_order_by_another_target_without_a_direction_sorts_only_the_first_keys() {
    let store = Fixture::with_keys(&["c", "b", "a"]);
    let by_create = RangeRequest {
        limit: 1,
        sort_target: SortTarget::Create,
        ..everything()
    };
    let result = store.range(&by_create);
    assert_eq!((keys(&result), result.more), (vec![&b"b"[..]], true));
    let ascending = RangeRequest {
        sort_order: SortOrder::Ascend,
        ..by_create
    };
    assert_eq!(keys(&store.range(&ascending)), [b"c"]);
}

#[test]
fn keys_without_values_have_no_lease_unless_sorted_by_value() {
    let mut store = Fixture::new();
    store.put_leased("k", 1).unwrap();
    let keys_only = RangeRequest {
        keys_only: true,
        ..everything()
    };
    assert_eq!(store.range(&keys_only).kvs[0].lease, None);
    let by_value = RangeRequest {
        sort_target: SortTarget::Value,
        ..keys_only
    };
    assert_eq!(store.range(&by_value).kvs[0].lease, LeaseId::from_wire(1));
}

#[test]
fn a_view_reads_what_garbage_collection_drops_after_it() {
    let mut store = Fixture::with_keys(&["a", "b", "a"]);
    store.delete("b", "");
    store.put("c", "");
    let view = store.store.view();
    store.compact(6).unwrap();
    collect_garbage(&mut store.store, 1);
    assert_eq!(keys(&view.range(&at(3, everything())).unwrap()), [b"a", b"b"]);
    assert_eq!(
        store
            .store
            .view()
            .history(Revision::new(1), Revision::new(6))
            .count(),
        2
    );
    assert_eq!(store.store.view().garbage_collected(), Some(Revision::new(6)));
}

#[test]
fn a_tombstone_at_the_compacted_revision_is_still_seen_in_history() {
    let mut store = Fixture::with_keys(&["a"]);
    store.delete("a", "");
    store.compact(3).unwrap();
    collect_garbage(&mut store.store, 10);
    let history = store
        .store
        .view()
        .history(Revision::new(3), Revision::new(3))
        .next()
        .unwrap()
        .unwrap();
    assert!(history.row.tombstone);
    store.put("b", "");
    store.compact(4).unwrap();
    collect_garbage(&mut store.store, 10);
    assert_eq!(
        store
            .store
            .view()
            .history(Revision::new(1), Revision::new(4))
            .count(),
        1
    );
}

#[test]
fn a_plan_made_before_another_one_was_carried_out_does_nothing() {
    let mut store = Fixture::with_keys(&["a", "a", "b", "b"]);
    store.compact(5).unwrap();
    let view = store.store.view();
    let (first, same) = (view.plan_garbage(2).unwrap(), view.plan_garbage(2).unwrap());
    store.store.finish_garbage(first);
    let between = format!("{:?}", store.store.view().plan_garbage(9));
    store.store.finish_garbage(same);
    assert_eq!(format!("{:?}", store.store.view().plan_garbage(9)), between);
}

#[test]
fn chunks_out_of_order_or_beyond_the_revision_are_refused() {
    let store = Fixture::with_keys(&["a", "b"]);
    let view = store.store.view();
    let chunk = view.chunk(view.chunk_starts()[0], None).unwrap();
    let mut copy = open(memory());
    copy.import_chunk(&chunk).unwrap();
    assert!(matches!(
        copy.import_chunk(&chunk),
        Err(ReadError::Damaged { .. })
    ));
    assert!(matches!(
        copy.finish_import(Revision::new(2), None),
        Err(StoreError::State { .. })
    ));
    copy.finish_import(Revision::new(7), Some(Revision::new(3)))
        .unwrap();
    assert_eq!(
        (
            copy.view().revision().get(),
            copy.view().count(&KeyRange::all(), None).unwrap()
        ),
        (7, 2)
    );
}

#[test]
fn a_store_is_found_as_its_last_checkpoint_left_it() {
    let backend = memory();
    let mut store = open(Arc::clone(&backend));
    assert!(!store.wants_checkpoint());
    store.put(&put("a", "1"), &mut Leases::default()).unwrap();
    checkpoint(&mut store, &backend);
    assert!(!store.wants_checkpoint());
    store.put(&put("a", "2"), &mut Leases::default()).unwrap();
    store.compact(Revision::new(3)).unwrap();
    assert!(store.wants_checkpoint());
    drop(store);
    let store = open(backend);
    let view = store.view();
    assert_eq!((view.revision().get(), view.compacted()), (2, None));
    let found = view.range(&everything()).unwrap();
    assert_eq!(
        (&found.kvs[0].value[..], found.kvs[0].version.get()),
        (&b"1"[..], 1)
    );
}

#[test]
fn a_state_record_behind_the_rows_is_damage() {
    let backend = memory();
    let mut store = open(Arc::clone(&backend));
    store.put(&put("a", "1"), &mut Leases::default()).unwrap();
    checkpoint(&mut store, &backend);
    drop(store);
    let mut batch = Batch::default();
    batch.delete(crate::state::STATE_KEY);
    backend.write(batch).unwrap();
    backend.flush().unwrap();
    assert!(matches!(
        Store::open(backend, SMALL),
        Err(StoreError::State { .. })
    ));
}
