use std::time::Duration;

use crate::Login;

/// How to reach a cluster.
#[derive(Clone, Debug)]
pub struct Options {
    /// Members to talk to, as `host:port` or `http://host:port`; taken in turn.
    pub endpoints: Vec<String>,
    /// How long one attempt to connect may take; also how long a call without a deadline tries to connect.
    pub dial_timeout: Duration,
    /// How long a unary call may take, retries included; without it there is no limit. Streams have none.
    pub request_timeout: Option<Duration>,
    /// How often a connection is probed.
    pub keepalive_time: Duration,
    /// How long a probe may stay unanswered before the connection is given up.
    pub keepalive_timeout: Duration,
    /// Largest response that is accepted, in bytes.
    pub response_bytes_max: usize,
    /// Whose calls they are.
    pub login: Option<Login>,
}

impl Options {
    /// The defaults of the command line client, with these endpoints.
    pub fn new<E: Into<String>>(endpoints: impl IntoIterator<Item = E>) -> Self {
        Self {
            endpoints: endpoints.into_iter().map(Into::into).collect(),
            dial_timeout: Duration::from_secs(2),
            request_timeout: Some(Duration::from_secs(5)),
            keepalive_time: Duration::from_secs(10),
            keepalive_timeout: Duration::from_secs(6),
            response_bytes_max: usize::MAX,
            login: None,
        }
    }
}
