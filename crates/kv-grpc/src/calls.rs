//! What is counted of calls, by method and outcome.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tonic::Code;

use crate::Method;

/// How many codes gRPC has.
pub const CODES: usize = 17;

/// The name of a code as Go clients and dashboards write it.
pub fn code_name(code: usize) -> &'static str {
    const NAMES: [&str; CODES] = [
        "OK",
        "Canceled",
        "Unknown",
        "InvalidArgument",
        "DeadlineExceeded",
        "NotFound",
        "AlreadyExists",
        "PermissionDenied",
        "ResourceExhausted",
        "FailedPrecondition",
        "Aborted",
        "OutOfRange",
        "Unimplemented",
        "Internal",
        "Unavailable",
        "DataLoss",
        "Unauthenticated",
    ];
    NAMES.get(code).copied().unwrap_or("Unknown")
}

/// Counts calls; shared by all connections.
#[derive(Debug)]
pub struct Calls {
    methods: Vec<Counters>,
    received_bytes: AtomicU64,
    sent_bytes: AtomicU64,
}

#[derive(Debug, Default)]
struct Counters {
    started: AtomicU64,
    handled: [AtomicU64; CODES],
}

/// The counts of one method.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MethodCalls {
    /// The method.
    pub method: Method,
    /// Calls that began.
    pub started: u64,
    /// Calls that ended, by code.
    pub handled: [u64; CODES],
}

impl Default for Calls {
    fn default() -> Self {
        Self {
            methods: Method::ALL.iter().map(|_| Counters::default()).collect(),
            received_bytes: AtomicU64::new(0),
            sent_bytes: AtomicU64::new(0),
        }
    }
}

impl Calls {
    /// The counts of every method.
    pub fn methods(&self) -> impl Iterator<Item = MethodCalls> + '_ {
        Method::ALL
            .iter()
            .zip(&self.methods)
            .map(|(method, counters)| MethodCalls {
                method: *method,
                started: counters.started.load(Ordering::Relaxed),
                handled: counters
                    .handled
                    .each_ref()
                    .map(|count| count.load(Ordering::Relaxed)),
            })
    }

    /// Bytes of messages received from clients, framing included.
    pub fn received_bytes(&self) -> u64 {
        self.received_bytes.load(Ordering::Relaxed)
    }

    /// Bytes of messages sent to clients, framing included.
    pub fn sent_bytes(&self) -> u64 {
        self.sent_bytes.load(Ordering::Relaxed)
    }

    pub(crate) fn start(self: &Arc<Self>, method: Method) -> Call {
        self.methods[method as usize]
            .started
            .fetch_add(1, Ordering::Relaxed);
        Call {
            calls: Arc::clone(self),
            method,
            code: None,
        }
    }

    pub(crate) fn received(&self, bytes: usize) {
        self.received_bytes.fetch_add(bytes as u64, Ordering::Relaxed);
    }
}

/// A call that goes on; counted as handled when it is dropped.
#[derive(Debug)]
pub(crate) struct Call {
    calls: Arc<Calls>,
    method: Method,
    /// Unless it is known the client has gone away.
    code: Option<Code>,
}

impl Call {
    pub(crate) fn sent(&self, bytes: usize) {
        self.calls.sent_bytes.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    /// The outcome is known; the first one counts.
    pub(crate) fn ended(&mut self, code: Code) {
        self.code.get_or_insert(code);
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        let code = self.code.unwrap_or(Code::Cancelled);
        self.calls.methods[self.method as usize].handled[code as usize].fetch_add(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_is_handled_once_with_its_first_outcome() {
        let calls = Arc::new(Calls::default());
        let mut call = calls.start(Method::Put);
        call.ended(Code::NotFound);
        call.ended(Code::Ok);
        drop(call);
        drop(calls.start(Method::Put));
        let put = calls.methods().find(|calls| calls.method == Method::Put).unwrap();
        assert_eq!(put.started, 2);
        assert_eq!(
            (
                put.handled[Code::NotFound as usize],
                put.handled[Code::Cancelled as usize]
            ),
            (1, 1)
        );
        assert_eq!(put.handled.iter().sum::<u64>(), 2);
    }

    #[test]
    fn codes_have_the_names_of_go() {
        assert_eq!(code_name(Code::Cancelled as usize), "Canceled");
        assert_eq!(code_name(Code::Unauthenticated as usize), "Unauthenticated");
    }
}
