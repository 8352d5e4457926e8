//! Checks the history of a round against what truly happened, which is known by revision.
//!
//! Every answered write names its revision, so there is no search for an order: the revisions are the order. It has to
//! explain every answer, be explained by the requests, and agree with real time. (etcd's robustness tests rest on the
//! same idea.) `register` searches for an order all the same, from values alone.

mod answers;
mod causes;
mod leases;
mod model;
mod order;
mod register;
mod search;
#[cfg(test)]
mod tests;
mod truth;
mod violation;
mod watches;

pub(crate) use causes::{Causes, LeaseEnd};
pub(crate) use truth::Truth;
pub(crate) use violation::Violation;

use crate::history::{History, Operation};

/// What a round's history says.
#[derive(Debug, Default)]
pub(crate) struct Verdict {
    pub(crate) violations: Vec<Violation>,
    /// Writes of unknown outcome that did not happen in this round, and may still happen.
    pub(crate) open: Vec<Operation>,
    /// Keys whose order of reads and writes was searched for, and those where the search was given up.
    pub(crate) searched: usize,
    pub(crate) undecided: usize,
}

/// Checks everything. `open` are writes of earlier rounds that may still have happened.
pub(crate) fn check(truth: &Truth, history: &History, open: Vec<Operation>) -> Verdict {
    let mut violations = answers::check(truth, &history.operations);
    let observed = order::observations(history);
    let search = register::check(truth, &history.operations, &open);
    let mut causes = Causes::find(truth, history, open, &observed);
    violations.append(&mut causes.violations);
    violations.extend(order::check(history, &observed));
    violations.extend(watches::check(truth, &history.watches));
    violations.extend(leases::check(truth, history, &causes));
    violations.extend(search.violations);
    Verdict {
        violations,
        open: causes.open,
        searched: search.keys,
        undecided: search.undecided,
    }
}
