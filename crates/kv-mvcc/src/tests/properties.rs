use std::sync::Arc;

use bytes::Bytes;
use kv_backend::Backend;
use kv_types::{KeyRange, LeaseId, Revision};
use proptest::prelude::*;

use super::model::Model;
use super::requests::*;
use super::*;

#[derive(Clone, Debug)]
enum Step {
    Put(PutRequest),
    Delete(DeleteRequest),
    DeleteKeys(Vec<Bytes>),
    Txn(TxnRequest),
    /// Compacts at this share, in percent, of the current revision, or beyond it.
    Compact(i64),
    /// Drops garbage in one step of this size.
    Collect(usize),
    CollectAll,
    Checkpoint,
    Reopen,
    /// Goes on with a copy made of chunks, as a member that got a snapshot does.
    Copy,
    KeepView,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        8 => put_request().prop_map(Step::Put),
        2 => delete_request().prop_map(Step::Delete),
        1 => prop::collection::vec(any_key(), 0..4).prop_map(Step::DeleteKeys),
        8 => txn_request().prop_map(Step::Txn),
        2 => (-1..110i64).prop_map(Step::Compact),
        2 => (1..6usize).prop_map(Step::Collect),
        1 => Just(Step::CollectAll),
        1 => Just(Step::Checkpoint),
        1 => Just(Step::Reopen),
        1 => Just(Step::Copy),
        1 => Just(Step::KeepView),
    ]
}

struct Pair {
    backend: Arc<dyn Backend>,
    store: Option<Store>,
    leases: Leases,
    model: Model,
    views: Vec<(View, Model)>,
}

impl Pair {
    fn new() -> Self {
        let backend = memory();
        let store = Some(open(Arc::clone(&backend)));
        Self {
            backend,
            store,
            leases: Leases::with(1..NO_LEASE),
            model: Model::new(),
            views: Vec::new(),
        }
    }

    fn store(&mut self) -> &mut Store {
        self.store.as_mut().unwrap()
    }

    fn run(&mut self, step: Step) {
        let existing = self.leases.existing.clone();
        let store = self.store.as_mut().unwrap();
        let (leases, model) = (&mut self.leases, &mut self.model);
        let changes_before = model.changes.len();
        match step {
            Step::Put(request) => {
                assert_eq!(told(store.put(&request, leases)), model.put(&request, &existing));
            }
            Step::Delete(request) => {
                assert_eq!(store.delete(&request, leases).unwrap(), model.delete(&request));
            }
            Step::DeleteKeys(keys) => {
                assert_eq!(store.delete_keys(&keys, leases), model.delete_keys(&keys));
            }
            Step::Txn(request) => {
                assert_eq!(told(store.txn(&request, leases)), model.txn(&request, &existing));
            }
            Step::Compact(percent) => {
                let at = if percent < 0 {
                    percent
                } else {
                    model.revision() * percent / 100
                };
                assert_eq!(told(store.compact(Revision::new(at))), model.compact(at));
            }
            Step::Collect(count_max) => {
                if let Some(plan) = store.view().plan_garbage(count_max) {
                    store.finish_garbage(plan);
                }
            }
            Step::CollectAll => collect_garbage(store, 1_000),
            Step::Checkpoint => checkpoint(store, &self.backend),
            Step::Reopen => {
                // A restart leaves no views.
                self.views.clear();
                let store = self.store.take().unwrap();
                self.store = Some(reopen(store, &self.backend));
            }
            Step::Copy => {
                self.backend = memory();
                let copy = copy_of(&store.view(), &self.backend);
                self.store = Some(copy);
            }
            Step::KeepView => self.views.push((store.view(), model.clone())),
        }
        let changes = self.store().take_changes();
        let changes = changes
            .into_iter()
            .map(|change| (change.row.as_ref().clone(), change.prev));
        assert_eq!(changes.collect::<Vec<_>>(), self.model.changes[changes_before..]);
    }
}

fn told<T, E: ToString>(result: Result<T, E>) -> Result<T, String> {
    result.map_err(|error| error.to_string())
}

/// Compares what can be read without a request.
fn check_state(view: &View, model: &Model) {
    assert_eq!(view.revision().get(), model.revision());
    assert_eq!(view.compacted().map_or(-1, Revision::get), model.compacted);
    assert_eq!(view.attachments().collect::<Vec<_>>(), model.attachments());
}

fn check_history(view: &View, model: &Model) {
    for from in (model.compacted + 1).max(0)..=model.revision() {
        let to = (from + 3).min(model.revision());
        let kept = model
            .changes
            .iter()
            .filter(|(row, _)| (from..=to).contains(&row.revision.main.get()));
        let kept = kept.map(|(row, prev)| {
            let before_is_kept = row.revision.main.get() > model.compacted;
            (row.clone(), prev.filter(|_| before_is_kept))
        });
        let history = view.history(Revision::new(from), Revision::new(to));
        let history = history
            .map(Result::unwrap)
            .map(|change| (change.row.as_ref().clone(), change.prev));
        assert_eq!(history.collect::<Vec<_>>(), kept.collect::<Vec<_>>());
    }
}

fn check_hashes(view: &View, model: &Model) {
    for at in model.compacted.max(1)..=model.revision() {
        let hash = HashKv {
            hash: model.hash(at),
            compact_revision: Revision::new(model.compacted),
            hash_revision: Revision::new(at),
            revision: Revision::new(model.revision()),
        };
        assert_eq!(view.hash_kv(Some(Revision::new(at))).unwrap(), hash);
    }
}

fn check_counts(view: &View, model: &Model) {
    for at in model.compacted.max(1)..=model.revision() {
        for range in [
            KeyRange::all(),
            range("a", "b"),
            range("ab", "\0"),
            range("b", ""),
        ] {
            let request = RangeRequest {
                count_only: true,
                revision: Some(Revision::new(at)),
                ..RangeRequest::new(range)
            };
            let count = model.range(&request).unwrap().count;
            assert_eq!(view.count(&request.range, request.revision).unwrap(), count);
        }
    }
}

fn check_range(view: &View, model: &Model, request: &RangeRequest) {
    assert_eq!(told(view.range(request)), model.range(request));
}

fn check_read_only_txn(view: &View, model: &Model, request: &TxnRequest) {
    let read_only = request.read_only().unwrap();
    let mut model = model.clone();
    assert_eq!(
        told(view.txn(&read_only)),
        model.txn(request, &Default::default())
    );
}

proptest! {

    /// Also while a compaction is under way, after checkpoints and after restarts, and of views taken before.
    #[test]
    fn every_answer_is_the_naive_models(
        steps in prop::collection::vec(step(), 1..50),
        ranges in prop::collection::vec(range_request(), 40),
        txns in prop::collection::vec(read_only_txn_request(), 8),
    ) {
        let mut pair = Pair::new();
        for step in steps {
            pair.run(step);
            let attached = pair.leases.attached.iter().map(|(key, lease)| (*lease, key.clone()));
            prop_assert_eq!(attached.collect::<Vec<_>>(), pair.model.attachments());
            let view = pair.store().view();
            for request in &ranges[..4] {
                check_range(&view, &pair.model, request);
            }
        }
        let (view, model) = (pair.store().view(), pair.model.clone());
        pair.views.push((view, model.clone()));
        collect_garbage(pair.store(), 3);
        let view = pair.store().view();
        prop_assert!(view.garbage_collected() == view.compacted());
        pair.views.push((view, model));
        for (view, model) in &pair.views {
            check_state(view, model);
            check_history(view, model);
            check_hashes(view, model);
            check_counts(view, model);
            ranges.iter().for_each(|request| check_range(view, model, request));
            txns.iter().for_each(|request| check_read_only_txn(view, model, request));
        }
    }
}

#[test]
fn unknown_leases_are_those_the_requests_call_so() {
    assert!(!Leases::with(1..NO_LEASE).exists(LeaseId::new(NO_LEASE)));
}
