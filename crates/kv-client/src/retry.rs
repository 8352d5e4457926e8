//! Which failed calls may be sent again.

use std::error::Error;
use std::time::Duration;

use tonic::{Code, ConnectError, Status};

/// Most attempts of one call that reach a server.
pub(crate) const ATTEMPTS_MAX: usize = 100;
/// Pause after each round over more than half of the endpoints.
pub(crate) const PAUSE: Duration = Duration::from_millis(25);

/// Whether sending a call twice is harmless.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Repeat {
    /// Reads, and what ends the same way when done twice.
    Harmless,
    /// Writes.
    Harmful,
}

/// What a failure says about trying again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Nothing was sent: try until the deadline.
    NotSent,
    /// The call may be sent again.
    Again,
    /// The failure is the answer.
    Final,
}

/// Judges a failed call.
pub(crate) fn judge(status: &Status, repeat: Repeat, endpoints: usize) -> Verdict {
    match status.code() {
        Code::Unavailable if connect_error(status).is_some() => Verdict::NotSent,
        Code::Unavailable if repeat == Repeat::Harmless => Verdict::Again,
        Code::FailedPrecondition
            if endpoints > 1 && status.message() == "etcdserver: rpc not supported for learner" =>
        {
            Verdict::Again
        }
        _ => Verdict::Final,
    }
}

/// The text of a failed connection attempt, if that is what the status stands for.
fn connect_error(status: &Status) -> Option<&ConnectError> {
    let mut source = status.source();
    while let Some(error) = source {
        if let Some(connect) = error.downcast_ref() {
            return Some(connect);
        }
        source = error.source();
    }
    None
}

/// The innermost cause of a failure, which names what went wrong on the network.
pub(crate) fn root_cause(status: &Status) -> String {
    let mut text = status.message().to_owned();
    let mut source = status.source();
    while let Some(error) = source {
        text = error.to_string();
        source = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_write_that_may_have_been_sent_is_not_sent_again() {
        let lost = Status::unavailable("etcdserver: request timed out");
        assert_eq!(judge(&lost, Repeat::Harmful, 3), Verdict::Final);
        assert_eq!(judge(&lost, Repeat::Harmless, 1), Verdict::Again);
    }

    #[test]
    fn a_refused_connection_is_tried_again_by_every_call() {
        let refused = Status::from_error(Box::new(ConnectError("refused".into())));
        assert_eq!(judge(&refused, Repeat::Harmful, 1), Verdict::NotSent);
        assert_eq!(root_cause(&refused), "refused");
    }

    #[test]
    fn a_learner_is_left_for_another_endpoint() {
        let learner = Status::failed_precondition("etcdserver: rpc not supported for learner");
        assert_eq!(judge(&learner, Repeat::Harmful, 2), Verdict::Again);
        assert_eq!(judge(&learner, Repeat::Harmful, 1), Verdict::Final);
    }
}
