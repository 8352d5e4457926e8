use std::collections::BTreeMap;

use bytes::Bytes;
use kv_proto::mvccpb::event::EventType;
use kv_proto::mvccpb::{Event, KeyValue};

use crate::check::Violation;
use crate::history::Keys;

/// What truly happened, by revision: the state a round began with, and each change since, as a member tells it when
/// all is over.
#[derive(Debug)]
pub(crate) struct Truth {
    first: i64,
    /// All versions of each key, oldest first; `None`: deleted.
    versions: BTreeMap<Bytes, Vec<(i64, Option<KeyValue>)>>,
    /// The changes of each revision after the first, without gaps.
    events: BTreeMap<i64, Vec<Event>>,
}

const PROMISE: &str = "history is consistent in itself";

impl Truth {
    /// The state at a revision.
    pub(crate) fn new(revision: i64, state: Vec<KeyValue>) -> Self {
        let versions = state
            .into_iter()
            .map(|kv| (kv.key.clone(), vec![(revision, Some(kv))]));
        Self {
            first: revision,
            versions: versions.collect(),
            events: BTreeMap::new(),
        }
    }

    /// Adds changes, in order, which have to say what the ones before make of them.
    pub(crate) fn extend(&mut self, events: Vec<Event>) -> Result<(), Violation> {
        for event in events {
            self.add(event)?;
        }
        Ok(())
    }

    fn add(&mut self, event: Event) -> Result<(), Violation> {
        let fail = |detail: String| Err(Violation::new(PROMISE, detail));
        let Some(kv) = event.kv.clone() else {
            return fail(format!("an event without a key: {event:?}"));
        };
        let revision = kv.mod_revision;
        let last = self.last();
        if revision != last && revision != last + 1 || revision == self.first {
            return fail(format!("revision {revision} comes after {last}"));
        }
        let before = self.one(&kv.key, revision);
        let here = self.events.entry(revision).or_default();
        if here
            .iter()
            .filter_map(|event| event.kv.as_ref())
            .any(|other| other.key == kv.key)
        {
            return fail(format!("{:?} is changed twice at {revision}", kv.key));
        }
        let after = expected(&event, &kv, before.as_ref());
        if after.as_ref().is_none_or(|expected| *expected != kv) || event.prev_kv != before {
            return fail(format!("{event:?} should be {after:?} after {before:?}"));
        }
        let deleted = event.r#type() == EventType::Delete;
        here.push(event);
        let versions = self.versions.entry(kv.key.clone()).or_default();
        versions.push((revision, (!deleted).then_some(kv)));
        Ok(())
    }

    pub(crate) fn first(&self) -> i64 {
        self.first
    }

    pub(crate) fn last(&self) -> i64 {
        self.events.last_key_value().map_or(self.first, |last| *last.0)
    }

    /// The changes of one revision.
    pub(crate) fn changes(&self, revision: i64) -> &[Event] {
        self.events.get(&revision).map_or(&[], Vec::as_slice)
    }

    /// The changes in an interval of keys from one revision to another.
    pub(crate) fn events<'a>(
        &'a self,
        keys: &'a Keys,
        from: i64,
        to: i64,
    ) -> impl Iterator<Item = &'a Event> {
        let revisions = (from <= to).then(|| self.events.range(from..=to));
        let events = revisions.into_iter().flatten().flat_map(|(_, events)| events);
        events.filter(|event| event.kv.as_ref().is_some_and(|kv| keys.contain(&kv.key)))
    }

    /// The keys there are at a revision.
    pub(crate) fn at(&self, keys: &Keys, revision: i64) -> Vec<KeyValue> {
        if keys.to.is_empty() {
            return self.one(&keys.from, revision).into_iter().collect();
        }
        let from = self.versions.range(keys.from.clone()..);
        from.take_while(|(key, _)| keys.contain(key))
            .filter_map(|(_, versions)| live(versions, revision))
            .collect()
    }

    fn one(&self, key: &Bytes, revision: i64) -> Option<KeyValue> {
        live(self.versions.get(key)?, revision)
    }
}

fn live(versions: &[(i64, Option<KeyValue>)], revision: i64) -> Option<KeyValue> {
    let upto = versions.partition_point(|version| version.0 <= revision);
    versions.get(upto.checked_sub(1)?)?.1.clone()
}

/// What an event has to say of its key; `None` if there can be no such event.
fn expected(event: &Event, kv: &KeyValue, before: Option<&KeyValue>) -> Option<KeyValue> {
    if event.r#type() == EventType::Delete {
        return before.map(|before| KeyValue {
            key: before.key.clone(),
            mod_revision: kv.mod_revision,
            ..KeyValue::default()
        });
    }
    Some(KeyValue {
        create_revision: before.map_or(kv.mod_revision, |before| before.create_revision),
        version: before.map_or(1, |before| before.version + 1),
        ..kv.clone()
    })
}
