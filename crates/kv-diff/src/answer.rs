use std::collections::BTreeMap;

use kv_proto::etcdserverpb as etcd;
use kv_proto::mvccpb;
use prost::Message;
use tonic::Status;

/// What a server answered to one step, with everything taken out that may differ between two servers.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Answer {
    Range(etcd::RangeResponse),
    Pieces(Vec<etcd::RangeStreamResponse>, Option<Failure>),
    Put(etcd::PutResponse),
    Delete(etcd::DeleteRangeResponse),
    Txn(etcd::TxnResponse),
    Compact(etcd::CompactionResponse),
    Grant(etcd::LeaseGrantResponse),
    Revoke(etcd::LeaseRevokeResponse),
    KeepAlive(Vec<etcd::LeaseKeepAliveResponse>, Option<Failure>),
    TimeToLive(etcd::LeaseTimeToLiveResponse),
    Leases(etcd::LeaseLeasesResponse),
    /// The creation of a watcher, and its end if that had to follow.
    Watch(Box<etcd::WatchResponse>, Option<Box<etcd::WatchResponse>>),
    CancelWatch(Box<etcd::WatchResponse>),
    /// What each watcher has seen since the last time, up to a revision.
    Watched(i64, BTreeMap<i64, Vec<mvccpb::Event>>),
    Members(etcd::MemberListResponse),
    Status(Box<etcd::StatusResponse>),
    Alarms(etcd::AlarmResponse),
    HashKv(etcd::HashKvResponse),
    /// How long an answer to bytes is.
    Raw(usize),
    /// The answers to the parts of a step.
    Parts(Vec<Answer>),
    Failure(Failure),
    /// There is nothing to answer.
    Nothing,
    /// No answer where one must come.
    Silence,
    /// An answer that breaks a rule by itself.
    Unfit(String),
}

/// An error as a client sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Failure {
    pub(crate) code: i32,
    pub(crate) text: String,
}

impl From<Status> for Failure {
    fn from(status: Status) -> Self {
        Self {
            code: status.code() as i32,
            // Go's protobuf writes one or the other space, so that nobody relies on its texts.
            text: status.message().replace('\u{a0}', " "),
        }
    }
}

impl Answer {
    /// The current revision that an answer tells, if it tells one.
    pub(crate) fn revision(&self) -> Option<i64> {
        let header = match self {
            Self::Range(answer) => &answer.header,
            Self::Put(answer) => &answer.header,
            Self::Delete(answer) => &answer.header,
            Self::Txn(answer) => &answer.header,
            Self::Revoke(answer) => &answer.header,
            Self::Watched(revision, _) => return Some(*revision),
            Self::Parts(parts) => return parts.iter().filter_map(Self::revision).max(),
            _ => return None,
        };
        header.as_ref().map(|header| header.revision)
    }
}

/// Reads a message that must hold nothing but fields that are known, each in its shortest form.
pub(crate) fn decode<A: Message + Default>(bytes: &[u8]) -> Result<A, Answer> {
    let message = A::decode(bytes).map_err(|error| Answer::Unfit(error.to_string()))?;
    if message.encoded_len() == bytes.len() {
        Ok(message)
    } else {
        Err(Answer::Unfit(format!(
            "{} bytes, of which {} are known: {bytes:?}",
            bytes.len(),
            message.encoded_len()
        )))
    }
}
