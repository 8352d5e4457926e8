//! What clients asked, what they were told, and when.

use std::time::Duration;

use bytes::Bytes;
use kv_proto::mvccpb::KeyValue;

/// Time since the run began, on the one clock of this process.
pub(crate) type Time = Duration;

/// A key, or an interval of keys, as on the wire.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Keys {
    pub(crate) from: Bytes,
    /// Empty: the one key. A zero byte: all from there on.
    pub(crate) to: Bytes,
}

impl Keys {
    pub(crate) fn one(key: impl Into<Bytes>) -> Self {
        Self {
            from: key.into(),
            to: Bytes::new(),
        }
    }

    pub(crate) fn prefix(prefix: &str) -> Self {
        Self {
            from: Bytes::copy_from_slice(prefix.as_bytes()),
            to: kv_client::prefix_end(prefix.as_bytes()),
        }
    }

    pub(crate) fn all() -> Self {
        Self {
            from: Bytes::from_static(b"\0"),
            to: Bytes::from_static(b"\0"),
        }
    }

    pub(crate) fn contain(&self, key: &[u8]) -> bool {
        match &self.to[..] {
            [] => key == self.from,
            [0] => key >= &self.from[..],
            to => key >= &self.from[..] && key < to,
        }
    }
}

/// One step of a transaction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Op {
    Put { key: Bytes, value: Bytes, lease: i64 },
    Get(Keys),
    Delete(Keys),
}

/// A condition on a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Compare {
    /// It exists with this value.
    Value(Bytes, Bytes),
    /// It was last written at this revision; 0: it does not exist.
    Modified(Bytes, i64),
}

/// What is asked. A lone put, get or delete is one without conditions.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Transaction {
    pub(crate) compares: Vec<Compare>,
    pub(crate) success: Vec<Op>,
    pub(crate) failure: Vec<Op>,
}

impl Transaction {
    pub(crate) fn of(op: Op) -> Self {
        Self {
            success: vec![op],
            ..Self::default()
        }
    }

    pub(crate) fn ops(&self) -> impl Iterator<Item = &Op> {
        self.success.iter().chain(&self.failure)
    }

    pub(crate) fn may_write(&self) -> bool {
        self.ops().any(|op| !matches!(op, Op::Get(_)))
    }
}

/// How a request without writes may be answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Read {
    Linearizable,
    Serializable,
    /// At this revision, linearizable otherwise.
    At(i64),
}

/// The answer to one step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Found {
    /// What the key was before.
    Put(Option<KeyValue>),
    Got(Vec<KeyValue>),
    /// What was deleted.
    Deleted(Vec<KeyValue>),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) revision: i64,
    pub(crate) succeeded: bool,
    pub(crate) found: Vec<Found>,
}

impl Answer {
    /// Whether it says that something was written.
    pub(crate) fn wrote(&self) -> bool {
        self.found.iter().any(|found| match found {
            Found::Put(_) => true,
            Found::Got(_) => false,
            Found::Deleted(kvs) => !kvs.is_empty(),
        })
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    Answered {
        at: Time,
        answer: Answer,
    },
    /// The server said that it did not do it.
    Refused,
    /// It may have happened, or may still happen.
    Unknown,
}

#[derive(Clone, Debug)]
pub(crate) struct Operation {
    /// The only member it was sent to, if there was only one.
    pub(crate) member: Option<usize>,
    pub(crate) call: Time,
    pub(crate) transaction: Transaction,
    pub(crate) read: Read,
    pub(crate) outcome: Outcome,
}

impl Operation {
    pub(crate) fn answered(&self) -> Option<(Time, &Answer)> {
        match &self.outcome {
            Outcome::Answered { at, answer } => Some((*at, answer)),
            _ => None,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LeaseRequest {
    Grant,
    KeepAlive,
    Revoke,
}

/// A request about a lease. One that was not answered may have happened.
#[derive(Clone, Debug)]
pub(crate) struct LeaseOperation {
    pub(crate) id: i64,
    pub(crate) request: LeaseRequest,
    pub(crate) call: Time,
    /// What was answered; `None` if nothing was.
    pub(crate) answer: Option<LeaseAnswer>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct LeaseAnswer {
    /// Time to live in seconds; 0: there is no such lease.
    pub(crate) ttl: i64,
    pub(crate) revision: i64,
}

/// What came on a watch, over all its connections.
#[derive(Clone, Debug)]
pub(crate) struct Watched {
    pub(crate) name: String,
    pub(crate) keys: Keys,
    pub(crate) prev_kv: bool,
    /// The first revision asked for.
    pub(crate) from: i64,
    pub(crate) seen: Vec<Seen>,
    /// Whether it came as far as it should.
    pub(crate) caught_up: bool,
}

#[derive(Clone, Debug)]
pub(crate) enum Seen {
    Events {
        at: Time,
        revision: i64,
        events: Vec<kv_proto::mvccpb::Event>,
    },
    /// Everything up to this revision has been sent.
    Progress { at: Time, revision: i64 },
    /// A new connection, which asked for this revision on.
    Resumed { from: i64 },
    /// The watch was ended because history is gone, though it is not.
    Compacted { revision: i64 },
}

/// All that happened in one round.
#[derive(Clone, Debug, Default)]
pub(crate) struct History {
    pub(crate) operations: Vec<Operation>,
    pub(crate) leases: Vec<LeaseOperation>,
    pub(crate) watches: Vec<Watched>,
}
