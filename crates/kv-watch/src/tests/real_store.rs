//! The view of a real store as history.

use std::sync::Arc;

use bytes::Bytes;
use kv_backend::{BackendHome, MemoryHome};
use kv_mvcc::{DeleteRequest, LeaseBook, PutLease, PutRequest, PutValue, Store, StoreOptions};
use kv_types::{KeyRange, LeaseId, Revision};

use super::world::{show, watch_all};
use crate::{Hub, HubOptions, StreamReceiver, WatchCreate};

struct NoLeases;

impl LeaseBook for NoLeases {
    fn exists(&self, _: LeaseId) -> bool {
        false
    }

    fn attach(&mut self, _: LeaseId, _: &Bytes) {}

    fn detach(&mut self, _: LeaseId, _: &Bytes) {}
}

struct Real {
    store: Store,
    hub: Hub,
}

impl Real {
    fn new() -> Self {
        let store = Store::open(MemoryHome::new().open().unwrap(), StoreOptions::default()).unwrap();
        let hub = Hub::new(HubOptions::default(), store.view().revision(), Arc::new(|| {}));
        Self { store, hub }
    }

    fn put(&mut self, key: &'static str, value: &'static str) {
        let request = PutRequest {
            key: Bytes::from_static(key.as_bytes()),
            value: PutValue::New(Bytes::from_static(value.as_bytes())),
            lease: PutLease::Set(None),
            prev_kv: false,
        };
        self.store.put(&request, &mut NoLeases).unwrap();
        self.publish();
    }

    fn delete(&mut self, key: &'static str) {
        let range = KeyRange::single(Bytes::from_static(key.as_bytes()));
        self.store
            .delete(
                &DeleteRequest {
                    range,
                    prev_kv: false,
                },
                &mut NoLeases,
            )
            .unwrap();
        self.publish();
    }

    fn publish(&mut self) {
        let changes = self.store.take_changes();
        self.hub.on_applied(&self.store.view(), &changes);
    }

    fn compact(&mut self, at: i64) {
        self.store.compact(Revision::new(at)).unwrap();
        while let Some(plan) = self.store.view().plan_garbage(100) {
            self.store.finish_garbage(plan);
        }
    }

    fn watch(&mut self, start: Option<i64>) -> StreamReceiver {
        let (id, receiver) = self
            .hub
            .open_stream(std::time::Duration::ZERO, 0.0, Arc::new(|| {}));
        let create = WatchCreate {
            start: start.map(Revision::new),
            prev_kv: true,
            ..watch_all()
        };
        self.hub.create(id, create).unwrap();
        receiver
    }

    fn taken(&mut self, receiver: &StreamReceiver) -> Vec<String> {
        while self.hub.catch_up(&self.store.view()).unwrap() {}
        std::iter::from_fn(|| receiver.try_next())
            .map(|response| show(&response))
            .collect()
    }
}

#[test]
fn live_and_late_watchers_of_a_store_see_the_same() {
    let mut real = Real::new();
    let live = real.watch(None);
    real.put("a", "1");
    real.put("a", "2");
    real.delete("a");
    real.put("a", "3");
    let late = real.watch(Some(2));
    let live_events = ["put a=1@2", "put a=2@3[1]", "del a@4[2]", "put a=3@5"];
    let one_by_one: Vec<_> = (2..)
        .zip(live_events)
        .map(|(at, event)| format!("0 at {at}: {event}"))
        .collect();
    assert_eq!(real.taken(&live)[1..], one_by_one);
    let together = format!("0 at 5: {}", live_events.join(", "));
    assert_eq!(real.taken(&late), ["created 0 at 5".to_owned(), together]);
}

#[test]
fn a_compacted_store_is_watched_from_its_compact_revision_on() {
    let mut real = Real::new();
    real.put("a", "1");
    real.put("b", "1");
    real.delete("a");
    real.put("b", "2");
    real.compact(4);
    let (below, at) = (real.watch(Some(3)), real.watch(Some(4)));
    assert_eq!(real.taken(&below), ["created 0 at 5", "compacted 0 at 4"]);
    assert_eq!(
        real.taken(&at),
        ["created 0 at 5", "0 at 5: del a@4, put b=2@5[1]"]
    );
}
