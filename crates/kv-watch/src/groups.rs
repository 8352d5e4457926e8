use std::collections::HashMap;
use std::sync::Arc;

use kv_types::WatchId;

use crate::matcher::{Interest, Matcher};
use crate::queue::Queue;
use crate::recent::Chunk;
use crate::slab::{Key, Slab};

/// The synced watchers, together by what they want, so that a change is matched once per distinct range however
/// many watch it.
#[derive(Debug)]
pub(crate) struct Groups {
    groups: Slab<Group>,
    /// Only looked up, never iterated, so its order is nowhere seen.
    by_interest: HashMap<Interest, Key>,
    matcher: Matcher<Key>,
}

/// Watchers with the same interest; never empty.
#[derive(Debug)]
pub(crate) struct Group {
    interest: Interest,
    pub(crate) members: Vec<Member>,
    /// How many members want previous values.
    pub(crate) prev_wanted: usize,
    /// While a chunk is being delivered: its changes that match, in order.
    pub(crate) pending: Vec<usize>,
}

/// A watcher with what sending to it takes.
#[derive(Clone, Debug)]
pub(crate) struct Member {
    pub(crate) watcher: Key,
    pub(crate) queue: Arc<Queue>,
    pub(crate) id: WatchId,
    pub(crate) with_prev: bool,
    pub(crate) fragment: bool,
}

/// Where a member is: changes when another one leaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Seat {
    pub(crate) group: Key,
    pub(crate) at: usize,
}

impl Groups {
    pub(crate) fn new() -> Self {
        Self {
            groups: Slab::new(),
            by_interest: HashMap::new(),
            matcher: Matcher::new(),
        }
    }

    pub(crate) fn add(&mut self, interest: &Interest, member: Member) -> Seat {
        let key = match self.by_interest.get(interest) {
            Some(key) => *key,
            None => self.add_group(interest.clone()),
        };
        let group = &mut self.groups[key];
        group.prev_wanted += usize::from(member.with_prev);
        group.members.push(member);
        Seat {
            group: key,
            at: group.members.len() - 1,
        }
    }

    fn add_group(&mut self, interest: Interest) -> Key {
        let group = Group {
            interest: interest.clone(),
            members: Vec::new(),
            prev_wanted: 0,
            pending: Vec::new(),
        };
        let key = self.groups.insert(group);
        self.matcher.insert(&interest.range, key);
        self.by_interest.insert(interest, key);
        key
    }

    /// Takes a member away. Gives the watcher that has moved to its seat, if one has.
    pub(crate) fn remove(&mut self, seat: Seat) -> Option<Key> {
        let group = &mut self.groups[seat.group];
        let member = group.members.swap_remove(seat.at);
        group.prev_wanted -= usize::from(member.with_prev);
        let moved = group.members.get(seat.at).map(|member| member.watcher);
        if group.members.is_empty()
            && let Some(group) = self.groups.remove(seat.group)
        {
            self.matcher.remove(&group.interest.range, seat.group);
            self.by_interest.remove(&group.interest);
        }
        moved
    }

    /// The group, unless its last member has left.
    pub(crate) fn get_mut(&mut self, key: Key) -> Option<&mut Group> {
        self.groups.get_mut(key)
    }

    /// Every watcher of every group.
    pub(crate) fn watchers(&self) -> Vec<Key> {
        self.groups
            .iter()
            .flat_map(|group| &group.members)
            .map(|member| member.watcher)
            .collect()
    }

    /// Notes in each group which changes of the chunk it wants; gives the groups that want any.
    pub(crate) fn note(&mut self, chunk: &Chunk) -> Vec<Key> {
        let mut touched = Vec::new();
        let groups = &mut self.groups;
        for (at, logged) in chunk.changes.iter().enumerate() {
            let row = &logged.change.row;
            self.matcher.visit(&row.key, |key| {
                let group = &mut groups[key];
                if !group.interest.filters.pass(row.tombstone) {
                    return;
                }
                if group.pending.is_empty() {
                    touched.push(key);
                }
                group.pending.push(at);
            });
        }
        touched
    }
}
