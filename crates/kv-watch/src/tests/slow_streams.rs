use std::sync::atomic::Ordering;

use kv_types::WatchId;

use super::world::{Stream, World, from, watch, watch_all, with_id};
use crate::queue::ANSWERS_MAX;
use crate::share::{PUSHED_BYTES_MAX, PUSHED_BYTES_MIN, WATCHER_BYTES, WATCHERS_BYTES_MAX};
use crate::{Busy, HubOptions, Outgoing, RejectReason};

#[test]
fn a_slow_stream_loses_nothing_and_holds_up_nobody() {
    let mut world = World::new();
    let (slow, fast) = (world.watching(watch_all()), world.watching(watch_all()));
    for value in 0..200 {
        world.put("a", &value.to_string());
        assert_eq!(fast.take().len(), 1);
    }
    assert_eq!(world.hub.counts().unsynced, 1);
    world.catch_up();
    let taken = slow.take();
    assert_eq!(taken.len(), 128, "a full queue takes no more");
    world.catch_up();
    world.put("a", "last");
    let rest = slow.take();
    assert!(
        rest[0].starts_with("0 at 201: put a=128@130, put a=129@131") && rest[0].ends_with("put a=199@201")
    );
    assert_eq!(rest[1..], ["0 at 202: put a=last@202"]);
}

#[test]
fn the_hub_is_called_when_half_of_a_full_queue_is_taken() {
    let mut world = World::new();
    let stream = world.watching(watch_all());
    for _ in 0..129 {
        world.put("a", "1");
    }
    let work = world.work.load(Ordering::Relaxed);
    for _ in 0..63 {
        stream.receiver.try_next().unwrap();
    }
    assert_eq!(world.work.load(Ordering::Relaxed), work);
    assert!(world.hub.plan_catch_up(&world.store).is_none());
    stream.receiver.try_next().unwrap();
    assert_eq!(world.work.load(Ordering::Relaxed), work + 1);
    world.catch_up();
    assert_eq!(world.hub.counts().unsynced, 0);
}

#[test]
fn a_queue_is_full_at_so_many_bytes_too() {
    let mut world = World::new();
    let stream = world.watching(watch_all());
    let large = "x".repeat(PUSHED_BYTES_MAX / 4);
    for _ in 0..6 {
        world.put("a", &large);
    }
    world.catch_up();
    assert_eq!(stream.take().len(), 4);
    world.catch_up();
    assert_eq!(stream.take().len(), 2);
    assert_eq!(world.hub.counts().unsynced, 0);
}

#[test]
fn the_more_streams_there_are_the_less_each_may_leave_unread() {
    let mut world = World::new();
    let stream = world.watching(watch_all());
    let others: Vec<_> = (0..5000).map(|_| world.open()).collect();
    let large = "x".repeat(PUSHED_BYTES_MIN / 4);
    for _ in 0..6 {
        world.put("a", &large);
    }
    world.catch_up();
    assert_eq!(stream.take().len(), 4);
    for other in others {
        world.hub.close_stream(other.id);
    }
    world.catch_up();
    world.put("a", &large);
    assert_eq!(
        stream.take().len(),
        2,
        "what it missed in one, and what came then"
    );
    assert_eq!(world.hub.counts().unsynced, 0);
}

#[test]
fn watchers_are_rejected_when_they_take_all_memory_and_others_have_their_share() {
    let mut world = World::new();
    let [greedy, other] = [(); 2].map(|()| world.open());
    let key = "k".repeat(WATCHERS_BYTES_MAX / 64);
    let created = |world: &mut World, stream: &Stream| {
        world.hub.create(stream.id, watch(&key, "")).unwrap();
        let answer = stream.receiver.try_next();
        if matches!(
            answer,
            Some(Outgoing::Rejected {
                reason: RejectReason::TooMany,
                ..
            })
        ) {
            return false;
        }
        assert!(matches!(answer, Some(Outgoing::Created { .. })));
        true
    };
    let watchers = (0..).take_while(|_| created(&mut world, &greedy)).count();
    assert_eq!(watchers, 32);
    assert_eq!((0..).take_while(|_| created(&mut world, &other)).count(), 15);
    world.hub.cancel(greedy.id, WatchId::new(0)).unwrap();
    world.hub.close_stream(other.id);
    greedy.take();
    assert!(created(&mut world, &greedy));
    assert!(WATCHER_BYTES < key.len());
}

#[test]
fn answers_fit_beside_a_full_queue_and_are_bounded_by_refusing_requests() {
    let mut world = World::with(HubOptions {
        responses_max: 1,
        ..HubOptions::default()
    });
    let stream = world.watching(watch_all());
    world.put("a", "1");
    world.put("a", "2");
    for id in 1..=ANSWERS_MAX {
        assert!(stream.receiver.takes_requests());
        world
            .hub
            .create(stream.id, with_id(watch_all(), i64::try_from(id).unwrap()))
            .unwrap();
    }
    assert!(!stream.receiver.takes_requests());
    assert_eq!(world.hub.create(stream.id, watch_all()), Err(Busy));
    assert_eq!(world.hub.cancel(stream.id, WatchId::new(1)), Err(Busy));
    assert_eq!(
        world.hub.cancel(stream.id, WatchId::new(9999)),
        Ok(()),
        "needs no answer"
    );
    assert!(matches!(
        stream.receiver.try_next(),
        Some(Outgoing::Events { .. })
    ));
    assert_eq!(world.hub.create(stream.id, watch_all()), Err(Busy));
    assert!(matches!(
        stream.receiver.try_next(),
        Some(Outgoing::Created { .. })
    ));
    assert!(stream.receiver.takes_requests());
    world.hub.cancel(stream.id, WatchId::new(1)).unwrap();
    assert_eq!(stream.take().len(), ANSWERS_MAX);
}

#[test]
fn a_compacted_watcher_hears_of_it_when_its_stream_has_room() {
    let mut world = World::with(HubOptions {
        responses_max: 1,
        ..HubOptions::default()
    });
    let stream = world.watching(watch_all());
    for value in ["1", "2", "3"] {
        world.put("a", value);
    }
    world.store.compacted = 4;
    world.catch_up();
    assert_eq!(stream.take(), ["0 at 2: put a=1@2"]);
    world.catch_up();
    assert_eq!(stream.take(), ["compacted 0 at 4"]);
    assert_eq!(world.hub.counts().watchers, 0);
}

#[test]
fn one_slow_watcher_does_not_take_every_turn() {
    let options = HubOptions {
        round_revisions_max: 10,
        recent_changes_max: 0,
        ..HubOptions::default()
    };
    let mut world = World::with(options);
    for value in 0..100 {
        world.put("a", &value.to_string());
    }
    let (far, near) = (
        world.watching(from(watch_all(), 2)),
        world.watching(from(watch_all(), 92)),
    );
    for _ in 0..2 {
        world.hub.catch_up(&world.store).unwrap();
    }
    assert_eq!((far.take().len(), near.take().len()), (1, 1));
    world.catch_up();
    assert_eq!(far.take().len(), 9);
    assert_eq!(world.hub.counts().unsynced, 0);
}
