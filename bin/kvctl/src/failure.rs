//! How a command fails: a line on standard error and an exit code, both etcdctl's.

use std::error::Error;
use std::fmt::Display;
use std::process::ExitCode;

use kv_client::ClientError;
use tonic::{Code, Status};

/// Exit codes.
pub(crate) mod code {
    /// The server refused, or anything else.
    pub(crate) const ERROR: u8 = 1;
    /// No connection.
    pub(crate) const BAD_CONNECTION: u8 = 2;
    /// What was read from standard input makes no sense.
    pub(crate) const INVALID_INPUT: u8 = 3;
    /// An option with a value that is not supported.
    pub(crate) const BAD_FEATURE: u8 = 4;
    /// A watch that the server ended.
    pub(crate) const INTERRUPTED: u8 = 5;
    /// Output that could not be written.
    pub(crate) const IO: u8 = 6;
    /// Arguments that make no sense.
    pub(crate) const BAD_ARGS: u8 = 128;
}

/// A command's end without success.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Failure {
    code: u8,
    message: Option<String>,
    hint: Option<String>,
}

impl Failure {
    /// Ends with this code after `Error: ` and the message.
    pub(crate) fn new(code: u8, message: impl Display) -> Self {
        Self {
            code,
            message: Some(message.to_string()),
            hint: None,
        }
    }

    /// Ends with this code; what there is to say has been said.
    pub(crate) fn silent(code: u8) -> Self {
        Self {
            code,
            message: None,
            hint: None,
        }
    }

    /// A failed call.
    pub(crate) fn call(code: u8, error: &ClientError) -> Self {
        Self::call_as(code, error, |text| text)
    }

    /// A failed call, with words around what went wrong.
    pub(crate) fn call_as(code: u8, error: &ClientError, word: impl FnOnce(String) -> String) -> Self {
        // As etcdctl, which logs in before anything else.
        if let ClientError::Login(status) = error {
            return Self::new(code::BAD_CONNECTION, describe_status(status));
        }
        let hint = match error {
            ClientError::DeadlineExceeded { last: Some(last) } => {
                Some(format!("last attempt failed: {last}"))
            }
            _ => None,
        };
        Self {
            code,
            message: Some(word(describe(error))),
            hint,
        }
    }

    /// Says it.
    pub(crate) fn report(self) -> ExitCode {
        if let Some(hint) = self.hint {
            eprintln!("Warning: {hint}");
        }
        if let Some(message) = self.message {
            eprintln!("Error: {message}");
        }
        ExitCode::from(self.code)
    }

    /// What is said behind `Error: `.
    pub(crate) fn message(&self) -> &str {
        self.message.as_deref().unwrap_or_default()
    }
}

/// A failed call in a few words: etcd's own errors by their text, others as gRPC clients written in Go show them.
pub(crate) fn describe(error: &ClientError) -> String {
    match error {
        ClientError::Status(status) => describe_status(status),
        _ => error.to_string(),
    }
}

fn describe_status(status: &Status) -> String {
    let mut text = status.message().to_owned();
    if text.starts_with("etcdserver: ") {
        return text;
    }
    let mut source = status.source();
    while let Some(error) = source {
        let cause = error.to_string();
        if !text.contains(&cause) {
            text = format!("{text}: {cause}");
        }
        source = error.source();
    }
    let code = match status.code() {
        Code::Ok => "OK".to_owned(),
        Code::Cancelled => "Canceled".to_owned(),
        code => format!("{code:?}"),
    };
    format!("rpc error: code = {code} desc = {text}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_of_etcd_are_their_text_and_others_name_the_code() {
        let known = Status::not_found("etcdserver: requested lease not found");
        assert_eq!(describe(&known.into()), "etcdserver: requested lease not found");
        let other = Status::unimplemented("unknown service");
        assert_eq!(
            describe(&other.into()),
            "rpc error: code = Unimplemented desc = unknown service"
        );
        let late = ClientError::DeadlineExceeded {
            last: Some("connection refused".into()),
        };
        assert_eq!(describe(&late), "context deadline exceeded");
        let failure = Failure::call(code::ERROR, &late);
        assert_eq!(
            failure.hint.as_deref(),
            Some("last attempt failed: connection refused")
        );
    }
}
