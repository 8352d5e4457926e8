use crate::check::Violation;
use crate::history::{History, Operation, Read, Seen, Time};

const PROMISE: &str = "answers agree with real time";

/// When somebody first knew that a revision had happened: revisions and times, both rising.
#[derive(Debug, Default)]
pub(crate) struct Observations(Vec<(Time, i64)>);

impl Observations {
    fn new(mut all: Vec<(Time, i64)>) -> Self {
        all.sort_unstable();
        let mut rising: Vec<(Time, i64)> = Vec::new();
        for (at, revision) in all {
            if rising.last().is_none_or(|last| last.1 < revision) {
                rising.push((at, revision));
            }
        }
        Self(rising)
    }

    /// The highest revision that was known before `time`.
    pub(crate) fn known_before(&self, time: Time) -> i64 {
        let before = self.0.partition_point(|(at, _)| *at < time);
        before.checked_sub(1).map_or(0, |last| self.0[last].1)
    }

    /// When it was first known that this revision had happened.
    pub(crate) fn first(&self, revision: i64) -> Option<Time> {
        let before = self.0.partition_point(|(_, known)| *known < revision);
        self.0.get(before).map(|(at, _)| *at)
    }
}

/// All that anybody was told of revisions.
pub(crate) fn observations(history: &History) -> Observations {
    let answers = history.operations.iter().filter_map(Operation::answered);
    let answers = answers.map(|(at, answer)| (at, answer.revision));
    let seen = history.watches.iter().flat_map(|watched| &watched.seen);
    let watched = seen.filter_map(|seen| match seen {
        Seen::Events { at, revision, .. } | Seen::Progress { at, revision } => Some((*at, *revision)),
        _ => None,
    });
    Observations::new(answers.chain(watched).collect())
}

/// Checks that no request is answered with less than what was known when it was made, and that a write comes after it.
pub(crate) fn check(history: &History, observed: &Observations) -> Vec<Violation> {
    let mut violations = Vec::new();
    for operation in &history.operations {
        let Some((_, answer)) = operation.answered() else {
            continue;
        };
        let floor = observed.known_before(operation.call);
        let lowest = match operation.read {
            Read::Serializable => continue,
            _ if answer.wrote() => floor + 1,
            _ => floor,
        };
        if answer.revision < lowest {
            let detail = format!("{floor} was known before this was asked: {operation:?}");
            violations.push(Violation::new(PROMISE, detail));
        }
    }
    violations
}
