use super::world::{World, from, watch, watch_all};
use crate::{HubOptions, Outgoing};

/// Without a log of recent changes, so that all is read from the store.
fn without_recent() -> HubOptions {
    HubOptions {
        recent_changes_max: 0,
        ..HubOptions::default()
    }
}

fn sizes(stream: &super::world::Stream) -> Vec<(i64, usize)> {
    let responses = std::iter::from_fn(|| stream.receiver.try_next());
    responses
        .map(|response| match response {
            Outgoing::Events { revision, events, .. } => (revision.get(), events.len()),
            other => panic!("no events: {other:?}"),
        })
        .collect()
}

#[test]
fn a_round_takes_a_thousand_revisions_under_the_current_revision() {
    for options in [HubOptions::default(), without_recent()] {
        let mut world = World::with(options);
        let _keeps_recent = world.watching(watch("nothing", ""));
        for _ in 0..2500 {
            world.put("a", "1");
        }
        let stream = world.watching(from(watch_all(), 1));
        world.catch_up();
        assert_eq!(sizes(&stream), [(2501, 999), (2501, 1000), (2501, 501)]);
    }
}

#[test]
fn a_round_ends_early_at_a_whole_revision_when_values_are_large() {
    let mut world = World::with(without_recent());
    let large = "x".repeat(3 << 20);
    for _ in 0..3 {
        world.apply(&[("a", Some(&large)), ("b", Some("1"))]);
    }
    let stream = world.watching(from(watch_all(), 2));
    world.catch_up();
    assert_eq!(sizes(&stream), [(4, 4), (4, 2)]);
}

#[test]
fn a_round_that_ends_early_leaves_those_alone_who_are_further_on() {
    let mut world = World::with(without_recent());
    let large = "x".repeat(5 << 20);
    for _ in 0..3 {
        world.put("a", &large);
    }
    let (behind, ahead) = (
        world.watching(from(watch_all(), 2)),
        world.watching(from(watch_all(), 4)),
    );
    world.hub.catch_up(&world.store).unwrap();
    assert_eq!((sizes(&behind), sizes(&ahead)), (vec![(4, 1)], vec![]));
    world.catch_up();
    assert_eq!(
        (sizes(&behind), sizes(&ahead)),
        (vec![(4, 1), (4, 1)], vec![(4, 1)])
    );
}

#[test]
fn what_is_applied_while_history_is_read_follows_it() {
    for options in [HubOptions::default(), without_recent()] {
        let mut world = World::with(options);
        world.put("a", "1");
        let stream = world.watching(from(watch("a", ""), 2));
        let round = world.hub.plan_catch_up(&world.store).unwrap();
        let before = world.store.clone();
        world.put("a", "2");
        world.put("b", "1");
        let caught_up = round.read(&before).unwrap();
        world.hub.finish_catch_up(&world.store, caught_up).unwrap();
        world.catch_up();
        world.put("a", "3");
        assert_eq!(
            stream.take(),
            ["0 at 4: put a=1@2", "0 at 4: put a=2@3", "0 at 5: put a=3@5"]
        );
    }
}

#[test]
fn a_watcher_is_synced_in_the_round_that_reaches_the_present() {
    let mut world = World::new();
    let _keeps_recent = world.watching(watch("nothing", ""));
    world.put("a", "1");
    let _stream = world.watching(from(watch_all(), 2));
    let round = world.hub.plan_catch_up(&world.store).unwrap();
    world.put("a", "2");
    let caught_up = round.read(&world.store).unwrap();
    world.hub.finish_catch_up(&world.store, caught_up).unwrap();
    assert_eq!(world.hub.counts().unsynced, 0, "though a write came in between");
}

#[test]
fn a_round_that_is_given_up_is_simply_repeated() {
    let mut world = World::new();
    world.put("a", "1");
    let stream = world.watching(from(watch_all(), 2));
    drop(world.hub.plan_catch_up(&world.store).unwrap());
    let twice = [
        world.hub.plan_catch_up(&world.store).unwrap(),
        world.hub.plan_catch_up(&world.store).unwrap(),
    ];
    for round in twice {
        let caught_up = round.read(&world.store).unwrap();
        world.hub.finish_catch_up(&world.store, caught_up).unwrap();
    }
    assert_eq!(stream.take(), ["0 at 2: put a=1@2"]);
}

#[test]
fn a_watcher_without_matching_history_is_synced_silently() {
    let mut world = World::new();
    world.put("a", "1");
    let stream = world.watching(from(watch("b", ""), 2));
    world.catch_up();
    assert!(stream.take().is_empty());
    assert_eq!(world.hub.counts().unsynced, 0);
}

#[test]
fn recent_changes_are_read_without_the_store() {
    let mut world = World::new();
    let _keeps_recent = world.watching(watch("nothing", ""));
    world.put("a", "1");
    world.put("a", "2");
    let stream = world.watching(from(watch_all(), 2));
    let round = world.hub.plan_catch_up(&world.store).unwrap();
    let empty = super::world::Store::new();
    let caught_up = round.read(&empty).unwrap();
    world.hub.finish_catch_up(&world.store, caught_up).unwrap();
    assert_eq!(stream.take(), ["0 at 3: put a=1@2, put a=2@3"]);
}

#[test]
fn an_installed_store_is_read_as_history() {
    let mut world = World::new();
    let (live, future) = (world.watching(watch_all()), world.watching(from(watch_all(), 4)));
    world.put("a", "1");
    for value in ["2", "3", "4"] {
        world.store.apply(&[("a", Some(value))]);
    }
    world.hub.on_installed(crate::History::revision(&world.store));
    world.catch_up();
    world.put("a", "5");
    assert_eq!(
        live.take(),
        [
            "0 at 2: put a=1@2",
            "0 at 5: put a=2@3, put a=3@4, put a=4@5",
            "0 at 6: put a=5@6"
        ]
    );
    assert_eq!(
        future.take(),
        ["0 at 5: put a=3@4, put a=4@5", "0 at 6: put a=5@6"]
    );
}

#[test]
fn an_installed_store_cancels_watchers_whose_history_it_lacks() {
    let mut world = World::new();
    let stream = world.watching(watch_all());
    for value in ["2", "3", "4"] {
        world.store.apply(&[("a", Some(value))]);
    }
    world.store.compacted = 4;
    world.hub.on_installed(crate::History::revision(&world.store));
    world.catch_up();
    assert_eq!(stream.take(), ["compacted 0 at 4"]);
}
