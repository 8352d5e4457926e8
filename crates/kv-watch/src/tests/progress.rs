use std::time::Duration;

use super::world::{World, from, watch, watch_all};
use crate::{HubOptions, WatchCreate};

const INTERVAL: Duration = Duration::from_secs(600);

fn notified(create: WatchCreate) -> WatchCreate {
    WatchCreate {
        progress_notify: true,
        ..create
    }
}

#[test]
fn manual_progress_of_a_caught_up_stream_is_one_response_for_all() {
    let mut world = World::new();
    let stream = world.watching(watch_all());
    world.hub.create(stream.id, watch("x", "")).unwrap();
    world.put("a", "1");
    world.hub.request_progress(stream.id);
    assert_eq!(
        stream.take(),
        ["created 1 at 1", "0 at 2: put a=1@2", "progress of all at 2"]
    );
}

#[test]
fn manual_progress_of_a_stream_without_watchers_is_not_answered() {
    let mut world = World::new();
    let stream = world.open();
    world.hub.request_progress(stream.id);
    assert!(stream.take().is_empty());
}

#[test]
fn manual_progress_is_not_answered_while_any_watcher_is_not_caught_up() {
    let mut world = World::new();
    world.put("a", "1");
    let stream = world.watching(watch_all());
    world.hub.create(stream.id, from(watch_all(), 2)).unwrap();
    world.hub.request_progress(stream.id);
    assert_eq!(stream.take(), ["created 1 at 2"]);
    world.catch_up();
    world.hub.request_progress(stream.id);
    assert_eq!(stream.take(), ["1 at 2: put a=1@2", "progress of all at 2"]);
}

#[test]
fn manual_progress_is_not_answered_before_a_start_revision_is_reached() {
    let mut world = World::new();
    let stream = world.watching(from(watch_all(), 2));
    world.hub.request_progress(stream.id);
    assert!(stream.take().is_empty());
    world.put("a", "1");
    world.hub.request_progress(stream.id);
    assert_eq!(stream.take(), ["0 at 2: put a=1@2", "progress of all at 2"]);
}

#[test]
fn progress_without_room_is_left_out_and_never_overtakes_events() {
    let mut world = World::with(HubOptions {
        responses_max: 2,
        ..HubOptions::default()
    });
    let stream = world.watching(watch_all());
    world.put("a", "1");
    world.put("a", "2");
    world.hub.request_progress(stream.id);
    world.put("a", "3");
    world.hub.request_progress(stream.id);
    assert_eq!(stream.take(), ["0 at 2: put a=1@2", "0 at 3: put a=2@3"]);
    world.hub.request_progress(stream.id);
    assert!(stream.take().is_empty(), "the watcher lags");
    world.catch_up();
    world.hub.request_progress(stream.id);
    assert_eq!(stream.take(), ["0 at 4: put a=3@4", "progress of all at 4"]);
}

#[test]
fn idle_watchers_that_ask_for_it_hear_of_progress_at_each_interval() {
    let mut world = World::new();
    let stream = world.watching(notified(watch("a", "")));
    world.hub.create(stream.id, watch("a", "")).unwrap();
    stream.take();
    world.put("b", "1");
    assert_eq!(world.hub.next_tick(), Some(INTERVAL));
    world.hub.tick(INTERVAL - Duration::from_millis(1));
    assert!(stream.take().is_empty());
    world.hub.tick(INTERVAL);
    world.hub.tick(INTERVAL);
    assert_eq!(stream.take(), ["progress 0 at 2"]);
    world.put("a", "1");
    world.hub.tick(2 * INTERVAL);
    assert_eq!(
        stream.take(),
        ["0 at 3: put a=1@3", "1 at 3: put a=1@3"],
        "it was not idle"
    );
    world.hub.tick(3 * INTERVAL);
    assert_eq!(stream.take(), ["progress 0 at 3"]);
}

#[test]
fn a_watcher_that_lags_or_has_not_begun_hears_of_no_progress() {
    let mut world = World::new();
    world.put("a", "1");
    let lagging = world.watching(notified(from(watch_all(), 2)));
    let future = world.watching(notified(from(watch_all(), 3)));
    world.hub.tick(INTERVAL);
    assert!(lagging.take().is_empty() && future.take().is_empty());
    world.catch_up();
    world.hub.tick(2 * INTERVAL);
    assert_eq!(lagging.take(), ["0 at 2: put a=1@2"]);
    world.hub.tick(3 * INTERVAL);
    assert_eq!(lagging.take(), ["progress 0 at 2"]);
    assert!(future.take().is_empty());
}

#[test]
fn each_stream_ticks_on_its_own_with_up_to_a_tenth_more() {
    let mut world = World::new();
    world.watching(watch_all());
    let waker: crate::Waker = std::sync::Arc::new(|| {});
    let open = Duration::from_secs(7);
    let (late, _receiver) = world.hub.open_stream(open, 1.0, std::sync::Arc::clone(&waker));
    world.hub.tick(INTERVAL);
    assert_eq!(world.hub.next_tick(), Some(open + INTERVAL.mul_f64(1.1)));
    world.hub.close_stream(late);
    assert_eq!(world.hub.next_tick(), Some(2 * INTERVAL));
}
