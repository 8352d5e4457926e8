use kv_types::WatchId;

use super::world::{World, from, watch, watch_all, with_id};

#[test]
fn ids_count_from_zero_and_skip_those_in_use() {
    let mut world = World::new();
    let stream = world.open();
    for create in [
        watch_all(),
        with_id(watch_all(), 1),
        watch_all(),
        with_id(watch_all(), -5),
    ] {
        world.hub.create(stream.id, create).unwrap();
    }
    assert_eq!(
        stream.take(),
        [
            "created 0 at 1",
            "created 1 at 1",
            "created 2 at 1",
            "created -5 at 1"
        ]
    );
    let other = world.watching(watch_all());
    world.put("a", "1");
    assert_eq!(other.take(), ["0 at 2: put a=1@2"], "ids are the stream's own");
}

#[test]
fn an_id_in_use_is_rejected_and_free_again_after_a_cancel() {
    let mut world = World::new();
    let stream = world.open();
    world.hub.create(stream.id, with_id(watch_all(), 7)).unwrap();
    world.hub.create(stream.id, with_id(watch_all(), 7)).unwrap();
    world.hub.cancel(stream.id, WatchId::new(7)).unwrap();
    world.hub.create(stream.id, with_id(watch_all(), 7)).unwrap();
    assert_eq!(
        stream.take(),
        [
            "created 7 at 1",
            "rejected DuplicateId at 1",
            "canceled 7 at 1",
            "created 7 at 1"
        ]
    );
}

#[test]
fn a_create_is_checked_for_its_start_then_its_range_then_its_id() {
    let mut world = World::new();
    let stream = world.open();
    world.hub.create(stream.id, with_id(watch("b", "c"), 7)).unwrap();
    world
        .hub
        .create(stream.id, from(with_id(watch("b", "a"), 7), -1))
        .unwrap();
    world.hub.create(stream.id, with_id(watch("b", "b"), 7)).unwrap();
    world.hub.create(stream.id, with_id(watch("b", "c"), 7)).unwrap();
    assert_eq!(
        stream.take(),
        [
            "created 7 at 1",
            "rejected Compacted at 1",
            "rejected RangeEmpty at 1",
            "rejected DuplicateId at 1"
        ]
    );
}

#[test]
fn a_rejected_create_takes_no_id() {
    let mut world = World::new();
    let stream = world.open();
    world.hub.create(stream.id, watch("b", "a")).unwrap();
    world.hub.create(stream.id, watch_all()).unwrap();
    assert_eq!(stream.take(), ["rejected RangeEmpty at 1", "created 0 at 1"]);
}

#[test]
fn an_empty_key_means_the_first_possible_one() {
    let mut world = World::new();
    let single = world.watching(watch("", ""));
    let all = world.watching(watch("", "\0"));
    world.put("\0", "zero");
    world.put("a", "1");
    assert_eq!(single.take(), ["0 at 2: put \0=zero@2"]);
    assert_eq!(all.take(), ["0 at 2: put \0=zero@2", "0 at 3: put a=1@3"]);
}

#[test]
fn without_a_start_only_what_comes_is_reported() {
    let mut world = World::new();
    world.put("a", "1");
    let stream = world.open();
    world.hub.create(stream.id, watch_all()).unwrap();
    world.hub.create(stream.id, from(watch_all(), 0)).unwrap();
    world.catch_up();
    world.put("a", "2");
    let taken = stream.take();
    assert_eq!(taken[..2], ["created 0 at 2", "created 1 at 2"]);
    assert_eq!(taken[2..], ["0 at 3: put a=2@3", "1 at 3: put a=2@3"]);
}

#[test]
fn a_start_in_the_past_is_replayed_inclusively_after_the_created_response() {
    let mut world = World::new();
    world.put("a", "1");
    world.put("b", "1");
    world.put("a", "2");
    let stream = world.open();
    world.hub.create(stream.id, from(watch("a", ""), 2)).unwrap();
    world.hub.create(stream.id, from(watch("a", ""), 3)).unwrap();
    world.catch_up();
    world.put("a", "3");
    assert_eq!(
        stream.take(),
        [
            "created 0 at 4",
            "created 1 at 4",
            "0 at 4: put a=1@2, put a=2@4",
            "1 at 4: put a=2@4",
            "0 at 5: put a=3@5",
            "1 at 5: put a=3@5"
        ]
    );
}

#[test]
fn a_start_in_the_future_is_silent_until_then() {
    let mut world = World::new();
    let next = world.watching(from(watch_all(), 2));
    let later = world.watching(from(watch_all(), 4));
    for value in ["1", "2", "3"] {
        world.put("a", value);
    }
    assert_eq!(next.take().len(), 3);
    assert_eq!(later.take(), ["0 at 4: put a=3@4"]);
}

#[test]
fn a_start_in_the_middle_of_what_is_applied_together_misses_nothing() {
    let mut world = World::new();
    let stream = world.watching(from(watch_all(), 3));
    world.apply_together(&[&[("a", Some("1"))], &[("a", Some("2"))], &[("a", Some("3"))]]);
    world.catch_up();
    world.put("a", "4");
    assert_eq!(
        stream.take(),
        ["0 at 4: put a=2@3, put a=3@4", "0 at 5: put a=4@5"]
    );
}

#[test]
fn a_start_at_the_compact_revision_is_served_and_one_below_is_cancelled_after_created() {
    let mut world = World::new();
    for value in ["1", "2", "3"] {
        world.put("a", value);
    }
    world.store.compacted = 3;
    let stream = world.open();
    world.hub.create(stream.id, from(watch_all(), 2)).unwrap();
    world.hub.create(stream.id, from(watch_all(), 3)).unwrap();
    world.catch_up();
    assert_eq!(
        stream.take(),
        [
            "created 0 at 4",
            "created 1 at 4",
            "compacted 0 at 3",
            "1 at 4: put a=2@3, put a=3@4"
        ]
    );
}

#[test]
fn a_watcher_ended_by_compaction_keeps_its_id_until_its_cancel_is_answered() {
    let mut world = World::new();
    world.put("a", "1");
    world.put("a", "2");
    world.store.compacted = 3;
    let stream = world.watching(from(watch_all(), 2));
    world.catch_up();
    assert_eq!(stream.take(), ["compacted 0 at 3"]);
    world.put("a", "3");
    world.hub.create(stream.id, with_id(watch_all(), 0)).unwrap();
    assert_eq!(stream.take(), ["rejected DuplicateId at 4"]);
    world.hub.cancel(stream.id, WatchId::new(0)).unwrap();
    world.hub.cancel(stream.id, WatchId::new(0)).unwrap();
    assert_eq!(stream.take(), ["canceled 0 at 4"]);
}

#[test]
fn a_cancel_is_answered_once_after_what_was_queued_and_nothing_follows() {
    let mut world = World::new();
    let stream = world.watching(watch_all());
    world.put("a", "1");
    world.hub.cancel(stream.id, WatchId::new(0)).unwrap();
    world.hub.cancel(stream.id, WatchId::new(0)).unwrap();
    world.hub.cancel(stream.id, WatchId::new(9)).unwrap();
    world.put("a", "2");
    assert_eq!(stream.take(), ["0 at 2: put a=1@2", "canceled 0 at 2"]);
}

#[test]
fn a_watcher_cancelled_while_its_history_is_read_gets_nothing_of_it() {
    let mut world = World::new();
    world.put("a", "1");
    let stream = world.watching(from(watch_all(), 2));
    let round = world.hub.plan_catch_up(&world.store).unwrap();
    world.hub.cancel(stream.id, WatchId::new(0)).unwrap();
    world
        .hub
        .create(stream.id, with_id(from(watch_all(), 2), 0))
        .unwrap();
    let caught_up = round.read(&world.store).unwrap();
    world.hub.finish_catch_up(&world.store, caught_up).unwrap();
    assert_eq!(stream.take(), ["canceled 0 at 2", "created 0 at 2"]);
    world.catch_up();
    assert_eq!(stream.take(), ["0 at 2: put a=1@2"]);
}

#[test]
fn a_closed_stream_takes_all_its_watchers_with_it() {
    let mut world = World::new();
    let stream = world.watching(watch_all());
    world.hub.create(stream.id, from(watch_all(), 9)).unwrap();
    world.put("a", "1");
    world.hub.create(stream.id, from(watch_all(), 2)).unwrap();
    world.hub.close_stream(stream.id);
    world.hub.close_stream(stream.id);
    assert_eq!(world.hub.counts(), crate::Counts::default());
    assert_eq!(world.hub.next_tick(), None);
    world.hub.create(stream.id, watch_all()).unwrap();
    world.hub.cancel(stream.id, WatchId::new(0)).unwrap();
    world.hub.request_progress(stream.id);
    world.put("a", "2");
    world.catch_up();
    assert_eq!(
        stream.take(),
        ["created 1 at 1", "0 at 2: put a=1@2", "created 2 at 2"]
    );
}
