use crate::check::tests::histories::*;
use crate::check::{Truth, check};
use crate::history::{Found, LeaseRequest, Op, Outcome, Read, Seen};

const ANSWERS: &str = "each answer is true at its revision";
const CAUSES: &str = "each revision has one request that made it";
const ORDER: &str = "answers agree with real time";
const REGISTER: &str = "reads and writes of a key have an order that agrees with real time";
const WATCH: &str = "a watch is ordered, unique, atomic, complete, with right previous values";
const PROGRESS: &str = "progress does not overtake events";
const RELIABLE: &str = "a watch comes to the end of history";
const LEASE_EARLY: &str = "a lease does not end before its time";
const LEASE_USED: &str = "a lease that has ended takes no keys";
const REVOKED: &str = "a revoked lease takes its keys along";
const HISTORY: &str = "history is consistent in itself";

/// Spoils the good history; exactly these promises are seen to be broken.
#[track_caller]
fn planted(promises: &[&str], spoil: impl FnOnce(&mut Case)) {
    let mut case = good();
    spoil(&mut case);
    let violations = case.violations();
    let mut seen: Vec<&str> = violations.iter().map(|violation| violation.promise).collect();
    seen.sort_unstable();
    seen.dedup();
    let mut expected = promises.to_vec();
    expected.sort_unstable();
    assert_eq!(seen, expected, "{violations:#?}");
}

#[test]
fn a_right_history_passes() {
    planted(&[], |_| {});
}

#[test]
fn a_write_of_unknown_outcome_may_never_have_happened() {
    planted(&[], |case| {
        case.history.operations.push(unknown(500, lone(put("z", "0"))))
    });
}

#[test]
fn a_serializable_read_may_be_old() {
    planted(&[], |case| {
        let mut read = answered(
            100,
            110,
            lone(Op::Get(one("y"))),
            12,
            vec![Found::Got(Vec::new())],
        );
        read.read = Read::Serializable;
        case.history.operations.push(read);
    });
}

#[test]
fn stale_read() {
    planted(&[ORDER, REGISTER], |case| {
        let before = case.state[0].clone();
        *case.answer(READ) = crate::history::Answer {
            revision: 10,
            succeeded: true,
            found: vec![Found::Got(vec![before])],
        };
    });
}

#[test]
fn read_of_the_past_that_claims_the_present() {
    planted(&[ANSWERS, REGISTER], |case| {
        let before = case.state[0].clone();
        case.answer(READ).found = vec![Found::Got(vec![before])];
    });
}

#[test]
fn read_of_what_was_never_written() {
    planted(&[ANSWERS, REGISTER], |case| {
        case.answer(READ).found = vec![Found::Got(vec![kv("x", "8", 5, 11, 2)])];
    });
}

#[test]
fn wrong_answer_about_an_old_revision() {
    planted(&[ANSWERS], |case| {
        let newer = kv("x", "3", 5, 12, 3);
        case.answer(OLD_READ).found = vec![Found::Got(vec![newer])];
    });
}

#[test]
fn lost_write() {
    // Members have only what follows it, one revision earlier.
    planted(&[ANSWERS, CAUSES, ORDER], |case| {
        case.history
            .operations
            .insert(0, answered(1, 5, lone(put("w", "1")), 11, vec![Found::Put(None)]));
    });
}

#[test]
fn lost_last_write() {
    planted(&[ANSWERS], |case| {
        let put = answered(9020, 9030, lone(put("w", "1")), 17, vec![Found::Put(None)]);
        case.history.operations.push(put);
    });
}

#[test]
fn write_applied_twice() {
    planted(&[CAUSES], |case| {
        let (value, after) = (kv("y", "9", 14, 14, 1), kv("y", "9", 14, 17, 2));
        case.events.push(kv_proto::mvccpb::Event {
            r#type: 0,
            kv: Some(after),
            prev_kv: Some(value),
        });
        let last = case.events.last().cloned();
        case.history.watches[0].seen.push(Seen::Events {
            at: ms(9500),
            revision: 17,
            events: last.into_iter().collect(),
        });
    });
}

#[test]
fn refused_write_that_happened() {
    planted(&[CAUSES, REGISTER], |case| {
        case.history.operations[LATE].outcome = Outcome::Refused
    });
}

#[test]
fn two_writes_with_one_revision() {
    planted(&[ANSWERS, CAUSES], |case| {
        let put = answered(41, 48, lone(put("v", "1")), 12, vec![Found::Put(None)]);
        case.history.operations.push(put);
    });
}

#[test]
fn swap_that_succeeded_though_it_could_not() {
    planted(&[ANSWERS], |case| {
        let swap = &mut case.history.operations[SWAP].transaction;
        swap.compares = vec![crate::history::Compare::Modified("x".into(), 5)];
    });
}

#[test]
fn torn_transaction() {
    planted(&[ANSWERS], |case| {
        case.history.operations[HANG]
            .transaction
            .success
            .push(put("o", "1"));
        case.answer(HANG).found.push(Found::Put(None));
    });
}

#[test]
fn interval_deleted_in_part() {
    planted(&[ANSWERS], |case| {
        case.answer(DELETE).found = vec![Found::Deleted(case.state[1..2].to_vec())];
    });
}

#[test]
fn write_ordered_before_one_that_was_answered_earlier() {
    // Asked for after revision 13 was known, and has 12.
    planted(&[ORDER, REGISTER], |case| {
        let swap = &mut case.history.operations[SWAP];
        swap.call = ms(75);
        if let Outcome::Answered { at, .. } = &mut swap.outcome {
            *at = ms(79);
        }
        // Somebody read the old value in between, rightly.
        let read = answered(
            66,
            67,
            lone(Op::Get(one("x"))),
            13,
            vec![Found::Got(vec![kv("x", "3", 5, 12, 3)])],
        );
        case.history.operations.push(read);
    });
}

#[test]
fn unanswered_write_ordered_before_it_was_asked_for() {
    planted(&[CAUSES], |case| {
        // Seen by nobody before, yet a later revision was.
        case.history.watches[0].seen.truncate(2);
        case.history.watches[0].seen.push(Seen::Resumed { from: 14 });
        let events = case.events[4..].to_vec();
        case.history.watches[0].seen.push(Seen::Events {
            at: ms(9005),
            revision: 16,
            events,
        });
        case.history.operations[LATE].call = ms(161);
        // Revision 15 was answered at 160: revision 14 had happened.
        case.history.operations[LAST_READ].call = ms(9000);
    });
}

#[test]
fn early_end_of_a_lease() {
    planted(&[LEASE_EARLY], |case| {
        let last = case.history.watches[0].seen.last_mut();
        if let Some(Seen::Events { at, .. }) = last {
            *at = ms(4990);
        }
    });
}

#[test]
fn lease_renewed_after_its_end() {
    planted(&[LEASE_EARLY], |case| {
        let mut renewal = case.history.leases[1].clone();
        renewal.call = ms(6000);
        case.history.leases.push(renewal);
    });
}

#[test]
fn revoked_lease_may_end_at_any_time() {
    planted(&[], |case| {
        let mut revocation = case.history.leases[1].clone();
        revocation.request = LeaseRequest::Revoke;
        revocation.call = ms(3000);
        revocation.answer = None;
        case.history.leases.push(revocation);
        if let Some(Seen::Events { at, .. }) = case.history.watches[0].seen.last_mut() {
            *at = ms(3500);
        }
    });
}

#[test]
fn revoked_lease_whose_keys_stay() {
    planted(&[REVOKED], |case| {
        let mut revocation = case.history.leases[1].clone();
        revocation.request = LeaseRequest::Revoke;
        case.history.leases.push(revocation);
    });
}

#[test]
fn lease_that_takes_one_of_its_keys_only() {
    planted(&[CAUSES], |case| {
        case.events.pop();
        case.came(5).pop();
    });
}

#[test]
fn lease_that_takes_keys_after_its_end() {
    planted(&[LEASE_USED], |case| {
        let put = Op::Put {
            key: "l/c".into(),
            value: "late".into(),
            lease: LEASE,
        };
        let after = kv_proto::mvccpb::KeyValue {
            lease: LEASE,
            ..kv("l/c", "late", 17, 17, 1)
        };
        let event = kv_proto::mvccpb::Event {
            r#type: 0,
            kv: Some(after),
            prev_kv: None,
        };
        case.events.push(event.clone());
        case.history
            .operations
            .push(answered(9100, 9110, lone(put), 17, vec![Found::Put(None)]));
        case.history.watches[0].seen.push(Seen::Events {
            at: ms(9120),
            revision: 17,
            events: vec![event],
        });
    });
}

#[test]
fn event_missing() {
    planted(&[WATCH], |case| drop(case.came(1).remove(0)));
}

#[test]
fn event_missing_at_the_end() {
    planted(&[RELIABLE], |case| drop(case.history.watches[0].seen.pop()));
}

#[test]
fn event_doubled() {
    planted(&[WATCH], |case| {
        let events = case.came(0).clone();
        case.came(1).splice(0..0, events);
    });
}

#[test]
fn events_reordered() {
    planted(&[WATCH], |case| case.came(1).swap(0, 1));
}

#[test]
fn revision_torn_into_two_responses() {
    planted(&[WATCH], |case| {
        let second = case.came(5).pop();
        let rest = Seen::Events {
            at: ms(5201),
            revision: 16,
            events: second.into_iter().collect(),
        };
        case.history.watches[0].seen.push(rest);
    });
}

#[test]
fn events_again_after_a_connection_was_resumed() {
    planted(&[WATCH], |case| {
        let events = case.came(1).clone();
        case.came(4).splice(0..0, events);
    });
}

#[test]
fn progress_ahead_of_events() {
    planted(&[PROGRESS], |case| {
        case.history.watches[0].seen[2] = Seen::Progress {
            at: ms(165),
            revision: 14,
        }
    });
}

#[test]
fn wrong_previous_value() {
    planted(&[WATCH], |case| {
        case.came(1)[0].prev_kv = Some(kv("x", "1", 5, 5, 1))
    });
}

#[test]
fn event_of_another_lease() {
    planted(&[WATCH], |case| {
        if let Some(kv) = &mut case.came(4)[1].kv {
            kv.lease += 1;
        }
    });
}

#[test]
fn watch_that_stays_behind() {
    planted(&[RELIABLE], |case| case.history.watches[0].caught_up = false);
}

#[test]
fn watch_ended_as_compacted() {
    planted(&[RELIABLE], |case| {
        case.history.watches[0].seen[2] = Seen::Compacted { revision: 14 }
    });
}

#[test]
fn history_with_a_gap_or_a_wrong_version() {
    planted(&[HISTORY], |case| drop(case.events.remove(0)));
    planted(&[HISTORY], |case| {
        if let Some(kv) = &mut case.events[1].kv {
            kv.version = 9;
        }
    });
    planted(&[HISTORY], |case| {
        case.events.push(delete_event(&kv("never", "0", 1, 1, 1), 17))
    });
}

#[test]
fn writes_of_an_earlier_round_may_happen_in_this_one() {
    let mut case = good();
    let late = case.history.operations.remove(LATE);
    let mut truth = Truth::new(10, case.state.clone());
    truth.extend(case.events.clone()).unwrap();
    let without = check(&truth, &case.history, Vec::new());
    assert_eq!(without.violations.len(), 2, "{:?}", without.violations);
    let with = check(&truth, &case.history, vec![late, unknown(1, lone(put("n", "0")))]);
    assert_eq!(with.violations, []);
    assert_eq!(with.open.len(), 1, "one is still open");
}
