use std::ops::{Index, IndexMut};

/// Names an element of a [`Slab`]; never names another one after that is removed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Key {
    slot: usize,
    generation: u64,
}

impl Key {
    /// Not above any key.
    pub(crate) const FIRST: Self = Self {
        slot: 0,
        generation: 0,
    };
}

/// Elements in reusable slots, found by index.
#[derive(Debug)]
pub(crate) struct Slab<T> {
    slots: Vec<Slot<T>>,
    free: Vec<usize>,
    /// Insertions so far, so that no two keys are equal.
    generation: u64,
}

#[derive(Debug)]
struct Slot<T> {
    generation: u64,
    value: Option<T>,
}

impl<T> Slab<T> {
    pub(crate) fn new() -> Self {
        Self {
            slots: Vec::new(),
            free: Vec::new(),
            generation: 0,
        }
    }

    /// The key that the next insertion will give.
    pub(crate) fn next_key(&self) -> Key {
        Key {
            slot: self.free.last().copied().unwrap_or(self.slots.len()),
            generation: self.generation + 1,
        }
    }

    pub(crate) fn insert(&mut self, value: T) -> Key {
        let key = self.next_key();
        self.generation = key.generation;
        let slot = Slot {
            generation: key.generation,
            value: Some(value),
        };
        if self.free.pop().is_some() {
            self.slots[key.slot] = slot;
        } else {
            self.slots.push(slot);
        }
        key
    }

    pub(crate) fn remove(&mut self, key: Key) -> Option<T> {
        let value = self
            .slots
            .get_mut(key.slot)
            .filter(|slot| slot.generation == key.generation)?
            .value
            .take();
        if value.is_some() {
            self.free.push(key.slot);
        }
        value
    }

    pub(crate) fn get(&self, key: Key) -> Option<&T> {
        self.slots
            .get(key.slot)
            .filter(|slot| slot.generation == key.generation)?
            .value
            .as_ref()
    }

    pub(crate) fn get_mut(&mut self, key: Key) -> Option<&mut T> {
        self.slots
            .get_mut(key.slot)
            .filter(|slot| slot.generation == key.generation)?
            .value
            .as_mut()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &T> {
        self.slots.iter().filter_map(|slot| slot.value.as_ref())
    }

    pub(crate) fn len(&self) -> usize {
        self.slots.len() - self.free.len()
    }
}

/// For keys of elements that are there by an invariant of the caller.
impl<T> Index<Key> for Slab<T> {
    type Output = T;

    fn index(&self, key: Key) -> &T {
        self.get(key).expect("the element is there while its key is held")
    }
}

impl<T> IndexMut<Key> for Slab<T> {
    fn index_mut(&mut self, key: Key) -> &mut T {
        self.get_mut(key)
            .expect("the element is there while its key is held")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_never_names_a_later_element() {
        let mut slab = Slab::new();
        let (a, b) = (slab.insert('a'), slab.insert('b'));
        assert_eq!(slab.remove(a), Some('a'));
        let next = slab.next_key();
        let c = slab.insert('c');
        assert_eq!((slab[b], slab[c], slab.len()), ('b', 'c', 2));
        assert_eq!(next, c);
        assert_eq!(slab.get(a), None);
        assert_eq!(slab.remove(a), None);
    }
}
