use std::sync::Arc;

use bytes::Bytes;
use kv_types::Revision;

use super::world::{World, from, watch, watch_all};
use crate::{Event, Filters, Outgoing, WatchCreate};

fn events(response: Option<Outgoing>) -> Arc<[Arc<Event>]> {
    match response {
        Some(Outgoing::Events { events, .. }) => events,
        other => panic!("no events: {other:?}"),
    }
}

#[test]
fn all_events_of_a_revision_come_in_one_response_in_order() {
    let mut world = World::new();
    world.put("c", "0");
    let stream = world.watching(watch_all());
    world.apply(&[("b", Some("1")), ("a", Some("2")), ("c", None)]);
    assert_eq!(stream.take(), ["0 at 3: put b=1@3, put a=2@3, del c@3"]);
}

#[test]
fn revisions_applied_together_share_a_response_with_the_header_of_the_last() {
    let mut world = World::new();
    let stream = world.watching(watch("a", ""));
    world.apply_together(&[&[("a", Some("1"))], &[("a", Some("2"))], &[("b", Some("1"))]]);
    assert_eq!(stream.take(), ["0 at 3: put a=1@2, put a=2@3"]);
}

#[test]
fn large_revisions_applied_together_are_split_only_between_revisions() {
    let mut world = World::new();
    let stream = world.watching(watch_all());
    let large = "x".repeat(400_000);
    let large = Some(&large[..]);
    let revision = [("a", large), ("b", large)];
    world.apply_together(&[&revision, &revision, &revision]);
    let counts: Vec<_> = std::iter::from_fn(|| stream.receiver.try_next())
        .map(|response| events(Some(response)).len())
        .collect();
    assert_eq!(counts, [4, 2]);
}

#[test]
fn only_what_lies_in_the_range_is_reported() {
    let mut world = World::new();
    let single = world.watching(watch("b", ""));
    let range = world.watching(watch("b", "d"));
    let rest = world.watching(watch("c", "\0"));
    for key in ["a", "b", "ba", "c", "d"] {
        world.put(key, "1");
    }
    assert_eq!(single.take(), ["0 at 3: put b=1@3"]);
    assert_eq!(
        range.take(),
        ["0 at 3: put b=1@3", "0 at 4: put ba=1@4", "0 at 5: put c=1@5"]
    );
    assert_eq!(rest.take(), ["0 at 5: put c=1@5", "0 at 6: put d=1@6"]);
}

#[test]
fn filtered_events_are_left_out_and_an_empty_response_is_not_sent() {
    let mut world = World::new();
    let no_put = Filters {
        no_put: true,
        ..Filters::default()
    };
    let no_delete = Filters {
        no_delete: true,
        ..Filters::default()
    };
    let deletes = world.watching(WatchCreate {
        filters: no_put,
        ..watch_all()
    });
    let puts = world.watching(WatchCreate {
        filters: no_delete,
        ..watch_all()
    });
    world.put("a", "1");
    world.apply(&[("a", None), ("b", Some("1"))]);
    world.apply(&[("b", None)]);
    assert_eq!(deletes.take(), ["0 at 3: del a@3", "0 at 4: del b@4"]);
    assert_eq!(puts.take(), ["0 at 2: put a=1@2", "0 at 3: put b=1@3"]);
    let late = world.watching(WatchCreate {
        filters: no_put,
        ..from(watch("b", ""), 2)
    });
    world.catch_up();
    assert_eq!(late.take(), ["0 at 4: del b@4"]);
}

#[test]
fn previous_values_are_those_before_the_event_and_absent_for_a_creation() {
    let mut world = World::new();
    let live = world.watching(WatchCreate {
        prev_kv: true,
        ..watch_all()
    });
    let plain = world.watching(watch_all());
    world.put("a", "1");
    world.put("a", "2");
    world.apply(&[("a", None)]);
    world.put("a", "3");
    let late = world.watching(WatchCreate {
        prev_kv: true,
        ..from(watch_all(), 2)
    });
    world.catch_up();
    assert_eq!(
        live.take(),
        [
            "0 at 2: put a=1@2",
            "0 at 3: put a=2@3[1]",
            "0 at 4: del a@4[2]",
            "0 at 5: put a=3@5"
        ]
    );
    assert_eq!(plain.take()[1], "0 at 3: put a=2@3");
    assert_eq!(
        late.take(),
        ["0 at 5: put a=1@2, put a=2@3[1], del a@4[2], put a=3@5"]
    );
}

#[test]
fn a_compacted_previous_value_is_silently_absent() {
    let mut world = World::new();
    for value in ["1", "2", "3"] {
        world.put("a", value);
    }
    world.store.compacted = 3;
    let stream = world.watching(WatchCreate {
        prev_kv: true,
        ..from(watch_all(), 3)
    });
    world.catch_up();
    assert_eq!(stream.take(), ["0 at 4: put a=2@3, put a=3@4[2]"]);
}

#[test]
fn watchers_that_cannot_read_previous_values_wait_and_the_others_do_not() {
    let mut world = World::new();
    world.put("a", "1");
    let with_prev = world.watching(WatchCreate {
        prev_kv: true,
        ..watch_all()
    });
    let plain = world.watching(watch_all());
    world.store.unreadable = true;
    world.put("a", "2");
    assert_eq!(plain.take(), ["0 at 3: put a=2@3"]);
    assert!(with_prev.take().is_empty());
    assert!(world.hub.catch_up(&world.store).is_err());
    assert!(with_prev.take().is_empty());
    world.store.unreadable = false;
    world.put("a", "3");
    world.catch_up();
    assert_eq!(with_prev.take(), ["0 at 4: put a=2@3[1], put a=3@4[2]"]);
}

#[test]
fn an_event_is_made_once_and_shared_by_live_and_lagging_watchers() {
    let mut world = World::new();
    let one = world.watching(watch_all());
    let other = world.watching(watch("a", ""));
    world.put("a", "1");
    let late = world.watching(from(watch("a", "b"), 2));
    world.catch_up();
    let [one, other, late] = [one, other, late].map(|stream| events(stream.receiver.try_next()));
    assert!(Arc::ptr_eq(&one[0], &other[0]) && Arc::ptr_eq(&one[0], &late[0]));
    assert_eq!(one[0].revision(), Revision::new(2));
    let mut encodings = 0;
    for event in [&one[0], &other[0], &late[0]] {
        event.encoded(false, |event| {
            encodings += 1;
            event.row().value.clone()
        });
    }
    assert_eq!(encodings, 1);
    assert_eq!(
        one[0].encoded(true, |_| Bytes::from_static(b"with")),
        &Bytes::from_static(b"with")
    );
    assert_eq!(
        late[0].encoded(false, |_| Bytes::new()),
        &Bytes::from_static(b"1")
    );
}

#[test]
fn watchers_of_one_range_share_one_response_body() {
    let mut world = World::new();
    let streams = [world.watching(watch("a", "b")), world.watching(watch("a", "b"))];
    world.apply(&[("a", Some("1")), ("aa", Some("1"))]);
    let [one, other] = streams.map(|stream| events(stream.receiver.try_next()));
    assert!(Arc::ptr_eq(&one, &other));
}

#[test]
fn a_sleeping_consumer_is_woken_once_until_it_has_taken_all() {
    let mut world = World::new();
    let stream = world.watching(watch_all());
    let wakes = || stream.wakes.load(std::sync::atomic::Ordering::Relaxed);
    assert_eq!(wakes(), 1, "for the created response");
    world.put("a", "1");
    world.put("a", "2");
    assert_eq!(wakes(), 2);
    stream.take();
    world.put("a", "3");
    assert_eq!(wakes(), 3);
}
