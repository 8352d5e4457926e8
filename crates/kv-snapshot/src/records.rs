//! The values of buckets other than `key`.

use kv_machine::{Alarm, AlarmKind, Member};
use kv_types::{LeaseId, MemberId, Revision};
use prost::Message;
use serde::Serialize;

/// A record of bucket `lease`.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct LeaseRecord {
    #[prost(int64, tag = "1")]
    pub(crate) id: i64,
    #[prost(int64, tag = "2")]
    pub(crate) ttl: i64,
    #[prost(int64, tag = "3")]
    pub(crate) remaining: i64,
}

impl LeaseRecord {
    pub(crate) fn new(id: LeaseId, ttl_seconds: i64) -> Self {
        Self {
            id: id.get(),
            ttl: ttl_seconds,
            remaining: 0,
        }
    }
}

/// A key of bucket `alarm`.
#[derive(Clone, PartialEq, Message)]
struct AlarmRecord {
    #[prost(uint64, tag = "1")]
    member: u64,
    #[prost(uint64, tag = "2")]
    kind: u64,
}

pub(crate) fn alarm_key(alarm: &Alarm) -> Vec<u8> {
    let Alarm { kind, member } = *alarm;
    AlarmRecord {
        member: member.get(),
        kind: AlarmKind::to_wire(kind),
    }
    .encode_to_vec()
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct MemberRecord<'a> {
    id: u64,
    #[serde(rename = "peerURLs")]
    peer_urls: &'a [String],
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    is_learner: bool,
    #[serde(skip_serializing_if = "str::is_empty")]
    name: &'a str,
    #[serde(rename = "clientURLs", skip_serializing_if = "<[String]>::is_empty")]
    client_urls: &'a [String],
}

pub(crate) fn member_value(member: &Member) -> serde_json::Result<Vec<u8>> {
    serde_json::to_vec(&MemberRecord {
        id: member.id.get(),
        peer_urls: &member.peer_urls,
        is_learner: member.learner,
        name: &member.name,
        client_urls: &member.client_urls,
    })
}

#[derive(Serialize)]
struct ConfState {
    voters: Vec<u64>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    learners: Vec<u64>,
    auto_leave: bool,
}

pub(crate) fn conf_state(members: &[Member]) -> serde_json::Result<Vec<u8>> {
    let ids = |learner| {
        let ids = members.iter().filter(move |member| member.learner == learner);
        ids.map(|member| MemberId::get(member.id)).collect()
    };
    serde_json::to_vec(&ConfState {
        voters: ids(false),
        learners: ids(true),
        auto_leave: false,
    })
}

#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
struct DowngradeRecord<'a> {
    target_version: &'a str,
    enabled: bool,
}

pub(crate) fn downgrade_value(target: &str) -> serde_json::Result<Vec<u8>> {
    serde_json::to_vec(&DowngradeRecord {
        target_version: target,
        enabled: true,
    })
}

/// A revision as bucket `meta` has it, and `key` where it is no row: 17 bytes.
pub(crate) fn revision(revision: Revision) -> Vec<u8> {
    let mut bytes = revision.get().to_be_bytes().to_vec();
    bytes.push(b'_');
    bytes.extend([0; 8]);
    bytes
}

pub(crate) fn read_revision(bytes: &[u8]) -> Option<Revision> {
    let main = bytes.first_chunk().filter(|_| bytes.len() == 17)?;
    Some(Revision::new(i64::from_be_bytes(*main))).filter(|revision| *revision >= Revision::ZERO)
}
