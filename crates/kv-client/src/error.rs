use thiserror::Error;
use tonic::Status;

/// Why a call gave no answer.
#[derive(Debug, Error)]
pub enum ClientError {
    /// There is no endpoint to talk to.
    #[error("no endpoints")]
    NoEndpoints,
    /// An endpoint that cannot be understood, or asks for what this client does not do.
    #[error("endpoint {endpoint}: {reason}")]
    Endpoint {
        /// As it was given.
        endpoint: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The server's answer. A write answered with "unavailable" may have been carried out.
    #[error("{}", .0.message())]
    Status(Status),
    /// The user was not let in.
    #[error("{}", .0.message())]
    Login(Status),
    /// No answer within the deadline; a write may have been carried out.
    #[error("context deadline exceeded")]
    DeadlineExceeded {
        /// What the last attempt failed with, if one did.
        last: Option<String>,
    },
    /// The stream has ended, so nothing more can be sent on it.
    #[error("stream is closed")]
    Closed,
}

impl From<Status> for ClientError {
    fn from(status: Status) -> Self {
        Self::Status(status)
    }
}
