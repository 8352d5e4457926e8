use std::collections::BTreeMap;
use std::fmt::Debug;
use std::ops::Bound;

use kv_types::{Revision, RowRevision};
use proptest::prelude::*;

use super::keys::PackedKeys;
use super::node::{INNER_MAX, LEAF_MAX};
use super::*;

impl Weight for u64 {
    fn weight(&self) -> u64 {
        *self
    }
}

/// A kind of keys of which there is one for each number.
trait TestKey: TreeKey<Owned: Ord + Clone + Debug> + Debug {
    fn key(number: u16) -> Self::Owned;
}

impl TestKey for RowRevision {
    fn key(number: u16) -> Self {
        RowRevision::new(Revision::new(i64::from(number / 3)), u32::from(number % 3))
    }
}

/// Of different lengths, in another order than the numbers, and with the empty one.
impl TestKey for [u8] {
    fn key(number: u16) -> Vec<u8> {
        let mut key = vec![b'/'; usize::from(number % 4)];
        key.extend(format!("{:b}", number / 4).bytes().skip(1));
        key
    }
}

type Tree<K> = CowTree<K, u64>;
type Model<K> = BTreeMap<<K as ToOwned>::Owned, u64>;
type Owned<K> = <K as ToOwned>::Owned;

/// Checks every node against the invariants it states, and returns the depth of the leaves.
fn check_node<K: TestKey + ?Sized>(
    node: &Node<K, u64>,
    sums: Sums,
    low: Option<&K>,
    high: Option<&K>,
) -> usize {
    assert_eq!(node.sums(), sums);
    let inside = |key: &K| low.is_none_or(|low| low <= key) && high.is_none_or(|high| key < high);
    match node {
        Node::Leaf(leaf) => {
            let keys: Vec<&K> = (0..leaf.keys.len()).map(|at| leaf.keys.get(at)).collect();
            assert!(keys.len() <= LEAF_MAX);
            assert_eq!(keys.len(), leaf.values.len());
            assert!(keys.is_sorted() && keys.into_iter().all(inside));
            0
        }
        Node::Inner(inner) => {
            assert!(inner.children.len() <= INNER_MAX);
            assert_eq!(inner.children.len(), inner.separators.len() + 1);
            let mut depths = inner.children.iter().enumerate().map(|(at, child)| {
                assert!(child.node.len() > 0, "no empty node below the root");
                let low = if at == 0 {
                    low
                } else {
                    Some(inner.separators.get(at - 1))
                };
                let last = at == inner.separators.len();
                let high = if last {
                    high
                } else {
                    Some(inner.separators.get(at))
                };
                check_node(&child.node, child.sums, low, high)
            });
            let depth = depths.next().unwrap();
            assert!(depths.all(|other| other == depth));
            depth + 1
        }
    }
}

fn borrowed<'m, K: TestKey + ?Sized>((key, value): (&'m Owned<K>, &'m u64)) -> (&'m K, &'m u64) {
    (key.borrow(), value)
}

fn check<K: TestKey + ?Sized>(tree: &Tree<K>, model: &Model<K>) {
    check_node(&tree.root, tree.sums, None, None);
    assert!(tree.iter().eq(model.iter().map(borrowed)));
    assert_eq!(tree.first(), model.first_key_value().map(borrowed));
    assert_eq!(tree.last(), model.last_key_value().map(borrowed));
    assert_eq!((tree.len(), tree.is_empty()), (model.len(), model.is_empty()));
    assert_eq!(tree.weight(), model.values().sum::<u64>());
}

fn check_interval<K: TestKey + ?Sized>(tree: &Tree<K>, model: &Model<K>, bounds: (Bound<u16>, Bound<u16>)) {
    let (start, end) = (bounds.0.map(K::key), bounds.1.map(K::key));
    let inside = |key: &K| {
        (match &start {
            Bound::Included(start) => key >= start.borrow(),
            Bound::Excluded(start) => key > start.borrow(),
            Bound::Unbounded => true,
        }) && (match &end {
            Bound::Included(end) => key <= end.borrow(),
            Bound::Excluded(end) => key < end.borrow(),
            Bound::Unbounded => true,
        })
    };
    let inside: Vec<_> = model
        .iter()
        .map(borrowed::<K>)
        .filter(|(key, _)| inside(key))
        .collect();
    let bounds = (
        start.as_ref().map(Borrow::borrow),
        end.as_ref().map(Borrow::borrow),
    );
    let range = tree.range(bounds);
    assert_eq!(range.len(), inside.len());
    let weight = inside.iter().map(|(_, value)| **value).sum();
    assert_eq!(
        tree.sums(bounds),
        Sums {
            entries: inside.len(),
            weight
        }
    );
    assert_eq!(range.collect::<Vec<_>>(), inside);
}

fn check_lookup<K: TestKey + ?Sized>(tree: &Tree<K>, model: &Model<K>, number: u16) {
    let key = K::key(number);
    assert_eq!(tree.get(key.borrow()), model.get::<K>(key.borrow()));
    assert_eq!(
        tree.floor(key.borrow()),
        model.range::<Owned<K>, _>(..=key).next_back().map(borrowed)
    );
}

#[derive(Clone, Debug)]
enum Step {
    Insert(u16, u64),
    Update(u16, u64),
    Remove(u16),
    /// Inserts this many keys in ascending order from a start.
    Fill(u16, u16),
    /// Removes this many of the smallest keys.
    Drain(u16),
    RemoveBetween(u16, u16),
    Snapshot,
}

fn key() -> impl Strategy<Value = u16> {
    prop_oneof![0..100u16, 0..5_000u16]
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        8 => (key(), 0..9u64).prop_map(|(key, value)| Step::Insert(key, value)),
        4 => (key(), 0..9u64).prop_map(|(key, value)| Step::Update(key, value)),
        4 => key().prop_map(Step::Remove),
        2 => (key(), 1..1_500u16).prop_map(|(from, count)| Step::Fill(from, count)),
        1 => (1..900u16).prop_map(Step::Drain),
        1 => (key(), 1..900u16).prop_map(|(from, count)| Step::RemoveBetween(from, from + count)),
        2 => Just(Step::Snapshot),
    ]
}

fn bound() -> impl Strategy<Value = Bound<u16>> {
    prop_oneof![
        key().prop_map(Bound::Included),
        key().prop_map(Bound::Excluded),
        Just(Bound::Unbounded)
    ]
}

fn remove<K: TestKey + ?Sized>(tree: &mut Tree<K>, model: &mut Model<K>, key: &K) {
    assert_eq!(tree.remove(key), model.remove(key));
}

fn insert<K: TestKey + ?Sized>(tree: &mut Tree<K>, model: &mut Model<K>, number: u16, value: u64) {
    let key = K::key(number);
    assert_eq!(
        tree.insert(Borrow::<K>::borrow(&key), value),
        model.insert(key, value)
    );
}

fn check_lookups(tree: &Tree<RowRevision>, numbers: &[u16]) {
    let keys: Vec<RowRevision> = numbers.iter().map(|number| RowRevision::key(*number)).collect();
    let each: Vec<_> = keys.iter().map(|key| tree.get(key)).collect();
    assert_eq!(tree.get_many(&keys), each);
}

fn run<K: TestKey + ?Sized>(tree: &mut Tree<K>, model: &mut Model<K>, step: &Step) {
    match *step {
        Step::Insert(number, value) => insert(tree, model, number, value),
        Step::Update(number, value) => {
            let key = K::key(number);
            let old = tree.update(key.borrow(), |slot| std::mem::replace(slot, value));
            assert_eq!(
                old,
                model
                    .get_mut::<K>(key.borrow())
                    .map(|slot| std::mem::replace(slot, value))
            );
        }
        Step::Remove(number) => remove(tree, model, K::key(number).borrow()),
        Step::Fill(from, count) => (from..from + count).for_each(|number| insert(tree, model, number, 1)),
        Step::Drain(count) => {
            let keys: Vec<_> = model.keys().take(count.into()).cloned().collect();
            keys.into_iter().for_each(|key| remove(tree, model, key.borrow()));
        }
        Step::RemoveBetween(from, to) => {
            (from..to).for_each(|number| remove(tree, model, K::key(number).borrow()));
        }
        Step::Snapshot => {}
    }
}

/// Runs the steps and returns the tree they lead to.
fn check_steps<K: TestKey + ?Sized>(
    steps: &[Step],
    intervals: &[(Bound<u16>, Bound<u16>)],
    lookups: &[u16],
) -> Tree<K> {
    let (mut tree, mut model) = (Tree::<K>::default(), Model::<K>::new());
    let mut snapshots = Vec::new();
    for step in steps {
        if matches!(step, Step::Snapshot) {
            snapshots.push((tree.clone(), model.clone()));
        }
        run(&mut tree, &mut model, step);
        check_node(&tree.root, tree.sums, None, None);
    }
    snapshots.push((tree.clone(), model));
    for (tree, model) in &snapshots {
        check(tree, model);
        intervals
            .iter()
            .for_each(|bounds| check_interval(tree, model, *bounds));
        lookups
            .iter()
            .for_each(|number| check_lookup(tree, model, *number));
    }
    tree
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn behaves_as_an_ordered_map_and_its_clones_do_not_change(
        steps in prop::collection::vec(step(), 1..50),
        intervals in prop::collection::vec((bound(), bound()), 8),
        lookups in prop::collection::vec(key(), 8),
    ) {
        let tree = check_steps::<RowRevision>(&steps, &intervals, &lookups);
        check_lookups(&tree, &lookups);
        check_steps::<[u8]>(&steps, &intervals, &lookups);
    }

    #[test]
    fn packed_keys_behave_as_a_list(
        steps in prop::collection::vec((any::<prop::sample::Index>(), "[a-c]{0,5}", 0..4u8), 1..40),
    ) {
        let (mut packed, mut list) = (PackedKeys::default(), Vec::<Vec<u8>>::new());
        for (at, key, kind) in steps {
            let at = at.index(list.len() + 1);
            match kind {
                0 if at < list.len() => {
                    packed.remove(at);
                    list.remove(at);
                }
                1 => {
                    let right = packed.split_off(at);
                    prop_assert_eq!(right.len(), list.len() - at);
                    packed.append(&right);
                }
                _ => {
                    packed.insert(at, key.as_bytes());
                    list.insert(at, key.into_bytes());
                }
            }
            prop_assert_eq!(packed.len(), list.len());
            prop_assert!((0..list.len()).all(|at| packed.clone().get(at) == list[at]));
        }
    }
}

/// A tree of the numbers up to `end`, each weighing 1.
fn ascending(end: u16) -> Tree<RowRevision> {
    (0..end).map(|number| (RowRevision::key(number), 1)).collect()
}

#[test]
fn ascending_inserts_fill_their_nodes() {
    let tree = ascending(10_000);
    check_node(&tree.root, tree.sums, None, None);
    let mut node = &tree.root;
    while let Node::Inner(inner) = &**node {
        node = &inner.children[0].node;
    }
    assert_eq!(node.len(), LEAF_MAX);
}

#[test]
fn series_of_ascending_inserts_side_by_side_fill_their_nodes() {
    let mut tree = Tree::<[u8]>::default();
    for step in 0..1_000_u16 {
        for series in 0..20_u8 {
            tree.insert([&[series], &step.to_be_bytes()[..]].concat(), 1);
        }
    }
    check_node(&tree.root, tree.sums, None, None);
    assert!(tree.len() >= leaves(&tree.root) * LEAF_MAX * 9 / 10);
}

#[test]
fn what_is_left_of_a_split_leaf_keeps_no_room_for_what_it_gave_away() {
    // One leaf, full, and then one more in the midst of it.
    let full = u16::try_from(LEAF_MAX).unwrap();
    let mut tree: Tree<RowRevision> = (0..2 * full)
        .step_by(2)
        .map(|number| (RowRevision::key(number), 1))
        .collect();
    tree.insert(RowRevision::key(3 * full), 1);
    tree.insert(RowRevision::key(1), 1);
    let Node::Inner(root) = &*tree.root else {
        panic!("the leaf was split");
    };
    for child in &root.children {
        let Node::Leaf(leaf) = &*child.node else {
            panic!("{LEAF_MAX} entries need two levels");
        };
        assert!(leaf.values.capacity() < LEAF_MAX, "{}", leaf.values.capacity());
    }
}

/// How many leaves there are.
fn leaves<K: TestKey + ?Sized>(node: &Node<K, u64>) -> usize {
    match node {
        Node::Leaf(_) => 1,
        Node::Inner(inner) => inner.children.iter().map(|child| leaves(&child.node)).sum(),
    }
}

#[test]
fn a_map_without_readers_changes_in_place() {
    let (mut tree, key) = (ascending(1_000), RowRevision::key(500));
    let place = std::ptr::from_ref(tree.get(&key).unwrap());
    tree.update(&key, |value| *value = 7);
    assert_eq!(std::ptr::from_ref(tree.get(&key).unwrap()), place);
    let reader = tree.clone();
    tree.update(&key, |value| *value = 8);
    assert_eq!((reader.get(&key), tree.get(&key)), (Some(&7), Some(&8)));
}

#[test]
fn separators_of_byte_strings_are_as_short_as_can_be() {
    let separator = |left: &'static str, right: &'static str| {
        <[u8] as TreeKey>::separator(left.as_bytes(), right.as_bytes())
    };
    assert_eq!(separator("/pods/a/x", "/pods/b/y"), b"/pods/b");
    assert_eq!(separator("/pods", "/pods/b"), b"/pods/");
    assert_eq!(separator("", "a"), b"a");
}
