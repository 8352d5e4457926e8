//! Random operations, compared with a map.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use kv_backend::{Backend, BackendHome, Batch};

use crate::chance::Chance;

pub(crate) type Map = BTreeMap<Vec<u8>, Vec<u8>>;

/// Greater than every key used here.
pub(crate) const END: &[u8] = &[0xff; 64];

/// What a home shows when all handles were dropped and it is opened again.
#[derive(Clone, Copy)]
pub(crate) enum Keeps {
    Everything,
    WhatWasFlushed,
}

pub(crate) fn read_all(backend: &dyn Backend) -> Map {
    read_range(backend, b"", END)
}

fn read_range(backend: &dyn Backend, from: &[u8], to: &[u8]) -> Map {
    let mut map = Map::new();
    let mut last: Option<Vec<u8>> = None;
    let mut visit = |key: &[u8], value: &[u8]| {
        assert!(
            last.as_deref().is_none_or(|last| last < key),
            "keys come in order, once"
        );
        last = Some(key.to_vec());
        map.insert(key.to_vec(), value.to_vec());
        ControlFlow::Continue(())
    };
    backend.scan(from, to, &mut visit).unwrap();
    map
}

fn expected_range(map: &Map, from: &[u8], to: &[u8]) -> Map {
    map.iter()
        .filter(|(key, _)| from <= &key[..] && &key[..] < to)
        .map(|(key, value)| (key.clone(), value.clone()))
        .collect()
}

/// Runs `steps` random operations on the databases of `home`.
pub(crate) fn compare(home: &dyn BackendHome, keeps: Keeps, seed: u64, steps: usize) {
    let mut chance = Chance::new(seed);
    let mut backend = home.open().unwrap();
    let (mut live, mut durable) = (Map::new(), Map::new());
    for step in 0..steps {
        match chance.below(100) {
            0..60 => {
                let changes = random_changes(&mut chance);
                write(&*backend, &mut live, &changes);
            }
            60..75 => {
                backend.flush().unwrap();
                durable.clone_from(&live);
            }
            75..80 => {
                drop(backend);
                backend = home.open().unwrap();
                match keeps {
                    Keeps::Everything => durable.clone_from(&live),
                    Keeps::WhatWasFlushed => live.clone_from(&durable),
                }
            }
            80..82 => {
                let staged = home.stage().unwrap();
                let mut content = Map::new();
                write(&*staged, &mut content, &random_changes(&mut chance));
                staged.flush().unwrap();
                if chance.one_in(2) {
                    home.promote().unwrap();
                    assert_eq!(
                        read_all(&*backend),
                        live,
                        "seed {seed} step {step}: the old one is readable"
                    );
                    backend = home.open().unwrap();
                    live = content;
                    durable.clone_from(&live);
                }
            }
            82..90 => {
                let (from, to) = (random_key(&mut chance), random_key(&mut chance));
                let expected = expected_range(&live, &from, &to);
                assert_eq!(
                    read_range(&*backend, &from, &to),
                    expected,
                    "seed {seed} step {step}"
                );
            }
            _ => {
                let key = random_key(&mut chance);
                let value = backend.get(&key).unwrap();
                assert_eq!(
                    value.as_deref(),
                    live.get(&key).map(|v| &v[..]),
                    "seed {seed} step {step}"
                );
            }
        }
    }
    assert_eq!(read_all(&*backend), live, "seed {seed}");
}

/// A key and its new value; `None` deletes.
pub(crate) type Change = (Vec<u8>, Option<Vec<u8>>);
pub(crate) type Changes = Vec<Change>;

pub(crate) fn random_changes(chance: &mut Chance) -> Changes {
    let count = 1 + chance.below(12);
    (0..count)
        .map(|_| {
            let key = random_key(chance);
            let len = match chance.below(10) {
                0 => 0,
                1 => chance.below(70_000),
                _ => chance.below(300),
            };
            let value = (!chance.one_in(3)).then(|| chance.bytes(usize::try_from(len).unwrap()));
            (key, value)
        })
        .collect()
}

pub(crate) fn random_key(chance: &mut Chance) -> Vec<u8> {
    let len = usize::try_from(chance.below(4)).unwrap();
    (0..len)
        .map(|_| b'a' + u8::try_from(chance.below(6)).unwrap())
        .collect()
}

pub(crate) fn batch_of(changes: &[Change]) -> Batch {
    let mut batch = Batch::new();
    for (key, value) in changes {
        match value {
            Some(value) => batch.put(key.clone(), value.clone()),
            None => batch.delete(key.clone()),
        }
    }
    batch
}

pub(crate) fn apply(map: &mut Map, changes: &[Change]) {
    for (key, value) in changes {
        match value {
            Some(value) => map.insert(key.clone(), value.clone()),
            None => map.remove(key),
        };
    }
}

fn write(backend: &dyn Backend, map: &mut Map, changes: &[Change]) {
    backend.write(batch_of(changes)).unwrap();
    apply(map, changes);
}
