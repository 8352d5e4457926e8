//! Searches for an order of concurrent operations on one register: Wing and Gong's algorithm with Lowe's memory of what
//! was tried, as porcupine has it. A crate that does it knows no operations without an answer, or has no bound.

use std::collections::HashSet;

use crate::history::Time;

/// Configurations tried before the search of one register is given up.
const TRIED_MAX: usize = 200_000;

/// What a register holds; values are numbered.
pub(crate) type State = Option<usize>;

/// An operation, as far as its effect is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// Holds `after` from then on; held `before`, if that is known.
    Write { before: Option<State>, after: State },
    /// Holds this.
    Read(State),
    /// Holds `after` from then on if it held `expected`; whether it did is not known.
    Swap { expected: State, after: State },
}

impl Step {
    /// What is held after it; `None` if it cannot have happened here.
    fn apply(self, state: State) -> Option<State> {
        match self {
            Self::Write { before, after } => before.is_none_or(|before| before == state).then_some(after),
            Self::Read(held) => (held == state).then_some(state),
            Self::Swap { expected, after } => Some(if expected == state { after } else { state }),
        }
    }
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Interval {
    pub(crate) call: Time,
    /// `None`: no answer; it may have happened at any time since, or never.
    pub(crate) returned: Option<Time>,
    pub(crate) step: Step,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Decision {
    Linearizable,
    /// There is no order.
    Not,
    GaveUp,
}

/// What has been ordered so far.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Configuration {
    /// All answered operations before this one.
    low: usize,
    /// Those beyond it.
    beyond: Vec<usize>,
    /// Operations without an answer.
    open: Vec<usize>,
    state: State,
}

/// Whether there is an order that agrees with real time and every answer.
pub(crate) fn search(initial: State, operations: &[Interval]) -> Decision {
    let (mut answered, mut open): (Vec<Interval>, Vec<Interval>) = operations
        .iter()
        .partition(|operation| operation.returned.is_some());
    answered.sort_by_key(|operation| operation.call);
    open.sort_by_key(|operation| operation.call);
    let start = Configuration {
        low: 0,
        beyond: Vec::new(),
        open: Vec::new(),
        state: initial,
    };
    let mut tried = HashSet::from([start.clone()]);
    let mut stack = vec![start];
    while let Some(configuration) = stack.pop() {
        if configuration.low == answered.len() {
            return Decision::Linearizable;
        }
        // The earliest call is taken first.
        for next in successors(&configuration, &answered, &open).into_iter().rev() {
            if tried.insert(next.clone()) {
                stack.push(next);
            }
        }
        if tried.len() > TRIED_MAX {
            return Decision::GaveUp;
        }
    }
    Decision::Not
}

fn successors(at: &Configuration, answered: &[Interval], open: &[Interval]) -> Vec<Configuration> {
    let mut next = Vec::new();
    // Nothing may be ordered before what had returned when it was called.
    let mut deadline = Time::MAX;
    for (index, operation) in answered.iter().enumerate().skip(at.low) {
        if at.beyond.contains(&index) {
            continue;
        }
        if operation.call > deadline {
            break;
        }
        deadline = deadline.min(operation.returned.unwrap_or(Time::MAX));
        if let Some(state) = operation.step.apply(at.state) {
            next.push(with_answered(at, index, state));
        }
    }
    for (index, operation) in open.iter().enumerate() {
        if operation.call > deadline {
            break;
        }
        let changed = operation.step.apply(at.state).filter(|state| *state != at.state);
        if let Some(state) = changed.filter(|_| !at.open.contains(&index)) {
            let mut configuration = at.clone();
            configuration.open.push(index);
            configuration.open.sort_unstable();
            configuration.state = state;
            next.push(configuration);
        }
    }
    next
}

fn with_answered(at: &Configuration, index: usize, state: State) -> Configuration {
    let mut next = at.clone();
    next.state = state;
    next.beyond.push(index);
    next.beyond.sort_unstable();
    while next.beyond.first() == Some(&next.low) {
        next.beyond.remove(0);
        next.low += 1;
    }
    next
}
