use std::collections::BTreeMap;
use std::ops::Bound;

use proptest::prelude::*;

use super::node::{INNER_MAX, LEAF_MAX};
use super::*;

impl Weight for u64 {
    fn weight(&self) -> u64 {
        *self
    }
}

type Tree = CowTree<u16, u64>;
type Model = BTreeMap<u16, u64>;

/// Checks every node against the invariants it states, and returns the depth of the leaves.
fn check_node(node: &Node<u16, u64>, sums: Sums, low: Option<u16>, high: Option<u16>) -> usize {
    assert_eq!(node.sums(), sums);
    let inside = |key: &u16| low.is_none_or(|low| low <= *key) && high.is_none_or(|high| *key < high);
    match node {
        Node::Leaf(leaf) => {
            assert!(leaf.keys.len() <= LEAF_MAX);
            assert_eq!(leaf.keys.len(), leaf.values.len());
            assert!(leaf.keys.is_sorted() && leaf.keys.iter().all(inside));
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
                    Some(inner.separators[at - 1])
                };
                let high = inner.separators.get(at).copied().or(high);
                check_node(&child.node, child.sums, low, high)
            });
            let depth = depths.next().unwrap();
            assert!(depths.all(|other| other == depth));
            depth + 1
        }
    }
}

fn check(tree: &Tree, model: &Model) {
    check_node(&tree.root, tree.sums, None, None);
    assert!(tree.iter().eq(model.iter()));
    assert_eq!(tree.first(), model.first_key_value());
    assert_eq!(tree.last(), model.last_key_value());
}

fn check_interval(tree: &Tree, model: &Model, bounds: (Bound<u16>, Bound<u16>)) {
    let inside: Vec<_> = model
        .iter()
        .filter(|(key, _)| {
            (match bounds.0 {
                Bound::Included(start) => **key >= start,
                Bound::Excluded(start) => **key > start,
                Bound::Unbounded => true,
            }) && (match bounds.1 {
                Bound::Included(end) => **key <= end,
                Bound::Excluded(end) => **key < end,
                Bound::Unbounded => true,
            })
        })
        .collect();
    let bounds = (bounds.0.as_ref(), bounds.1.as_ref());
    let range = tree.range(bounds);
    assert_eq!(range.len(), inside.len());
    assert_eq!(range.collect::<Vec<_>>(), inside);
    let weight = inside.iter().map(|(_, value)| **value).sum();
    assert_eq!(
        tree.sums(bounds),
        Sums {
            entries: inside.len(),
            weight
        }
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

fn remove(tree: &mut Tree, model: &mut Model, key: u16) {
    assert_eq!(tree.remove(&key), model.remove(&key));
}

fn run(tree: &mut Tree, model: &mut Model, step: Step) {
    match step {
        Step::Insert(key, value) => assert_eq!(tree.insert(key, value), model.insert(key, value)),
        Step::Update(key, value) => {
            let old = tree.update(&key, |slot| std::mem::replace(slot, value));
            assert_eq!(
                old,
                model.get_mut(&key).map(|slot| std::mem::replace(slot, value))
            );
        }
        Step::Remove(key) => remove(tree, model, key),
        Step::Fill(from, count) => {
            for key in from..from + count {
                assert_eq!(tree.insert(key, 1), model.insert(key, 1));
            }
        }
        Step::Drain(count) => {
            let keys: Vec<u16> = model.keys().copied().take(count.into()).collect();
            keys.into_iter().for_each(|key| remove(tree, model, key));
        }
        Step::RemoveBetween(from, to) => (from..to).for_each(|key| remove(tree, model, key)),
        Step::Snapshot => {}
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn behaves_as_an_ordered_map_and_its_clones_do_not_change(
        steps in prop::collection::vec(step(), 1..60),
        bounds in prop::collection::vec((bound(), bound()), 8),
        lookups in prop::collection::vec(key(), 8),
    ) {
        let (mut tree, mut model) = (Tree::default(), Model::default());
        let mut snapshots = Vec::new();
        for step in steps {
            if matches!(step, Step::Snapshot) {
                snapshots.push((tree.clone(), model.clone()));
            }
            run(&mut tree, &mut model, step);
            check_node(&tree.root, tree.sums, None, None);
        }
        snapshots.push((tree, model));
        for (tree, model) in &snapshots {
            check(tree, model);
            prop_assert_eq!(tree.len(), model.len());
            prop_assert_eq!(tree.is_empty(), model.is_empty());
            prop_assert_eq!(tree.weight(), model.values().sum::<u64>());
            for bounds in &bounds {
                check_interval(tree, model, *bounds);
            }
            for key in &lookups {
                prop_assert_eq!(tree.get(key), model.get(key));
                prop_assert_eq!(tree.floor(key), model.range(..=key).next_back());
            }
        }
    }
}

#[test]
fn ascending_inserts_fill_their_nodes() {
    let tree: Tree = (0..10_000u16).map(|key| (key, 1)).collect();
    check_node(&tree.root, tree.sums, None, None);
    let mut node = &tree.root;
    while let Node::Inner(inner) = &**node {
        node = &inner.children[0].node;
    }
    assert_eq!(node.len(), LEAF_MAX);
}

#[test]
fn a_map_without_readers_changes_in_place() {
    let mut tree: Tree = (0..1_000u16).map(|key| (key, 1)).collect();
    let place = std::ptr::from_ref(tree.get(&500).unwrap());
    tree.update(&500, |value| *value = 7);
    assert_eq!(std::ptr::from_ref(tree.get(&500).unwrap()), place);
    let reader = tree.clone();
    tree.update(&500, |value| *value = 8);
    assert_eq!((reader.get(&500), tree.get(&500)), (Some(&7), Some(&8)));
}
