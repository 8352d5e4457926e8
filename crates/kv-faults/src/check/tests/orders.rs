//! Histories of one register, by hand.

use crate::check::search::{Decision, Interval, State, Step, search};
use crate::check::tests::histories::ms;

fn write(call: u64, returned: u64, value: usize) -> Interval {
    interval(
        call,
        returned,
        Step::Write {
            before: None,
            after: Some(value),
        },
    )
}

fn read(call: u64, returned: u64, held: State) -> Interval {
    interval(call, returned, Step::Read(held))
}

fn interval(call: u64, returned: u64, step: Step) -> Interval {
    Interval {
        call: ms(call),
        returned: Some(ms(returned)),
        step,
    }
}

fn open(call: u64, step: Step) -> Interval {
    Interval {
        call: ms(call),
        returned: None,
        step,
    }
}

#[track_caller]
fn check(decision: Decision, operations: &[Interval]) {
    assert_eq!(search(None, operations), decision);
    let mut backwards = operations.to_vec();
    backwards.reverse();
    assert_eq!(
        search(None, &backwards),
        decision,
        "in another order of writing down"
    );
}

#[test]
fn what_overlaps_may_have_any_order() {
    check(Decision::Linearizable, &[]);
    check(
        Decision::Linearizable,
        &[write(0, 10, 1), read(5, 6, None), read(7, 8, Some(1))],
    );
    check(
        Decision::Linearizable,
        &[
            write(0, 10, 1),
            write(0, 10, 2),
            read(11, 12, Some(1)),
            read(13, 14, Some(1)),
        ],
    );
}

#[test]
fn what_follows_sees_what_was_before() {
    check(Decision::Not, &[write(0, 10, 1), read(11, 12, None)]);
    check(
        Decision::Not,
        &[write(0, 10, 1), read(5, 6, Some(1)), read(7, 8, None)],
    );
    check(
        Decision::Not,
        &[write(0, 1, 1), write(2, 3, 2), read(4, 5, Some(1))],
    );
    check(Decision::Not, &[read(0, 1, Some(3))]);
}

#[test]
fn two_readers_do_not_see_two_orders() {
    let reads = [
        read(11, 12, Some(1)),
        read(13, 14, Some(2)),
        read(15, 16, Some(1)),
    ];
    check(
        Decision::Not,
        &[&[write(0, 10, 1), write(0, 10, 2)][..], &reads].concat(),
    );
}

#[test]
fn what_was_not_answered_happens_late_or_never_but_once() {
    let unanswered = open(
        0,
        Step::Write {
            before: None,
            after: Some(1),
        },
    );
    check(Decision::Linearizable, &[unanswered, read(5, 6, None)]);
    check(
        Decision::Linearizable,
        &[unanswered, read(5, 6, None), read(7, 8, Some(1))],
    );
    check(
        Decision::Not,
        &[unanswered, read(5, 6, Some(1)), read(7, 8, None)],
    );
    let again = [
        read(5, 6, Some(1)),
        write(7, 8, 2),
        read(9, 10, Some(2)),
        read(11, 12, Some(1)),
    ];
    check(Decision::Not, &[&[unanswered][..], &again].concat());
    let early = [read(1, 2, Some(1)), open(5, unanswered.step)];
    check(Decision::Not, &early);
}

#[test]
fn a_swap_depends_on_what_is_held() {
    let swap = open(
        2,
        Step::Swap {
            expected: Some(1),
            after: Some(2),
        },
    );
    check(
        Decision::Linearizable,
        &[write(0, 1, 1), swap, read(5, 6, Some(2))],
    );
    check(Decision::Not, &[write(0, 1, 3), swap, read(5, 6, Some(2))]);
    let knows_before = interval(
        3,
        4,
        Step::Write {
            before: Some(Some(9)),
            after: Some(2),
        },
    );
    check(Decision::Not, &[write(0, 1, 1), knows_before]);
}

#[test]
fn a_search_without_end_is_given_up() {
    // More orders than are tried, and a read at the end that none explains.
    let writes = (0..40).map(|value| write(0, 100, value));
    let mut operations: Vec<Interval> = writes.collect();
    operations.push(read(101, 102, Some(99)));
    assert_eq!(search(None, &operations), Decision::GaveUp);
}
