//! Ordered, unique, atomic, reliable, resumable, bookmarkable, with right previous values (etcd's "KV API guarantees",
//! section "Watch APIs").

use kv_proto::mvccpb::Event;

use crate::check::{Truth, Violation};
use crate::history::{Seen, Watched};

const EXACT: &str = "a watch is ordered, unique, atomic, complete, with right previous values";
const BOOKMARK: &str = "progress does not overtake events";
const RELIABLE: &str = "a watch comes to the end of history";

pub(crate) fn check(truth: &Truth, watches: &[Watched]) -> Vec<Violation> {
    let problems = watches.iter().filter_map(|watched| {
        let (promise, problem) = check_one(truth, watched).err()?;
        Some(Violation::new(promise, format!("{}: {problem}", watched.name)))
    });
    problems.collect()
}

fn check_one(truth: &Truth, watched: &Watched) -> Result<(), (&'static str, String)> {
    // Everything before this has come.
    let mut next = watched.from;
    for seen in &watched.seen {
        match seen {
            Seen::Events { revision, events, .. } => {
                let last = last_revision(events);
                let expected = expected(truth, watched, next, last);
                if last > *revision || *events != expected {
                    let came = describe(events);
                    let wanted = describe(&expected);
                    return Err((EXACT, format!("from {next} on, {came} instead of {wanted}")));
                }
                next = last + 1;
            }
            Seen::Progress { revision, .. } => {
                let missing = expected(truth, watched, next, *revision);
                if !missing.is_empty() {
                    let missing = describe(&missing);
                    return Err((
                        BOOKMARK,
                        format!("{revision} said, from {next} on missing {missing}"),
                    ));
                }
                next = next.max(revision + 1);
            }
            Seen::Resumed { from } if *from > next => {
                return Err((
                    EXACT,
                    format!("resumed at {from}, everything before {next} has come"),
                ));
            }
            Seen::Resumed { from } => next = *from,
            Seen::Compacted { revision } => {
                return Err((
                    RELIABLE,
                    format!("ended at {next} as compacted at {revision}, which it is not"),
                ));
            }
        }
    }
    let missing = expected(truth, watched, next, truth.last());
    if !watched.caught_up {
        let missing = missing.len();
        return Err((
            RELIABLE,
            format!("it came to {next} of {}, {missing} are missing", truth.last()),
        ));
    }
    if !missing.is_empty() {
        return Err((RELIABLE, format!("missing {}", describe(&missing))));
    }
    Ok(())
}

fn last_revision(events: &[Event]) -> i64 {
    let last = events.last().and_then(|event| event.kv.as_ref());
    last.map_or(0, |kv| kv.mod_revision)
}

fn expected(truth: &Truth, watched: &Watched, from: i64, to: i64) -> Vec<Event> {
    let events = truth.events(&watched.keys, from, to).cloned();
    let events = events.map(|mut event| {
        event.prev_kv = event.prev_kv.filter(|_| watched.prev_kv);
        event
    });
    events.collect()
}

/// Keys, revisions and values: short enough to be read.
fn describe(events: &[Event]) -> String {
    const SHOWN: usize = 8;
    let shown: Vec<String> = events
        .iter()
        .take(SHOWN)
        .map(|event| format!("{event:?}"))
        .collect();
    format!("{} events [{}]", events.len(), shown.join(", "))
}
