//! What a member asks the leader, as bytes that Raft's transport carries without reading them.
//!
//! | call | request | answer |
//! |---|---|---|
//! | keep alive | 1, lease ID | TTL in seconds |
//! | change of the membership | 3, the change | see `membership/wire.rs` |
//! | time to live | 2, lease ID, keys wanted (1 byte) | remaining and granted TTL in seconds, then each key as length (u32) and bytes; nothing at all if there is no such lease |
//!
//! Numbers are 8 bytes, little endian, unless said otherwise.

use bytes::{Buf, BufMut, Bytes};
use kv_types::LeaseId;

use crate::leases::LeaseTimeToLive;
use crate::membership::MemberChange;

/// A question to the leader.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum LeaderCall {
    KeepAlive(LeaseId),
    TimeToLive { id: LeaseId, keys: bool },
    Change(MemberChange),
}

impl LeaderCall {
    pub(crate) fn encode(&self) -> Bytes {
        let mut buffer = Vec::with_capacity(10);
        match self {
            Self::KeepAlive(id) => {
                buffer.put_u8(1);
                buffer.put_i64_le(id.get());
            }
            Self::TimeToLive { id, keys } => {
                buffer.put_u8(2);
                buffer.put_i64_le(id.get());
                buffer.put_u8(u8::from(*keys));
            }
            Self::Change(change) => {
                buffer.put_u8(3);
                change.encode(&mut buffer);
            }
        }
        buffer.into()
    }

    /// `None` if the bytes are no call of this version.
    pub(crate) fn decode(mut bytes: Bytes) -> Option<Self> {
        let tag = bytes.try_get_u8().ok()?;
        if tag == 3 {
            return MemberChange::decode(&mut bytes).map(Self::Change);
        }
        let id = LeaseId::new(bytes.try_get_i64_le().ok()?);
        match tag {
            1 => Some(Self::KeepAlive(id)),
            2 => Some(Self::TimeToLive {
                id,
                keys: bytes.try_get_u8().ok()? == 1,
            }),
            _ => None,
        }
    }

    /// Whether it may be asked again when the answer was lost: a change that was made would be refused.
    pub(crate) fn is_repeatable(&self) -> bool {
        match self {
            Self::KeepAlive(_) | Self::TimeToLive { .. } => true,
            Self::Change(_) => false,
        }
    }
}

pub(crate) fn encode_ttl(ttl_seconds: i64) -> Bytes {
    Bytes::copy_from_slice(&ttl_seconds.to_le_bytes())
}

pub(crate) fn decode_ttl(mut bytes: Bytes) -> Option<i64> {
    bytes.try_get_i64_le().ok()
}

pub(crate) fn encode_time_to_live(lease: Option<&LeaseTimeToLive>) -> Bytes {
    let mut buffer = Vec::new();
    if let Some(lease) = lease {
        buffer.put_i64_le(lease.ttl_seconds);
        buffer.put_i64_le(lease.granted_ttl_seconds);
        for key in &lease.keys {
            buffer.put_u32_le(u32::try_from(key.len()).expect("keys are shorter than requests"));
            buffer.put_slice(key);
        }
    }
    buffer.into()
}

/// `None` if the bytes are no answer of this version.
#[expect(
    clippy::option_option,
    reason = "the inner one is the answer, the outer one whether it could be read"
)]
pub(crate) fn decode_time_to_live(mut bytes: Bytes) -> Option<Option<LeaseTimeToLive>> {
    if bytes.is_empty() {
        return Some(None);
    }
    let ttl_seconds = bytes.try_get_i64_le().ok()?;
    let granted_ttl_seconds = bytes.try_get_i64_le().ok()?;
    let mut keys = Vec::new();
    while bytes.has_remaining() {
        let length = bytes.try_get_u32_le().ok()? as usize;
        if length > bytes.len() {
            return None;
        }
        keys.push(bytes.split_to(length));
    }
    Some(Some(LeaseTimeToLive {
        ttl_seconds,
        granted_ttl_seconds,
        keys,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_and_answers_survive() {
        let id = LeaseId::new(-7);
        for call in [
            LeaderCall::KeepAlive(id),
            LeaderCall::TimeToLive { id, keys: true },
            LeaderCall::Change(MemberChange::Remove(kv_types::MemberId::new(7))),
        ] {
            assert_eq!(LeaderCall::decode(call.encode()), Some(call));
        }
        assert_eq!(decode_ttl(encode_ttl(60)), Some(60));
        let lease = LeaseTimeToLive {
            ttl_seconds: 5,
            granted_ttl_seconds: 9,
            keys: vec!["a".into(), "".into()],
        };
        assert_eq!(
            decode_time_to_live(encode_time_to_live(Some(&lease))),
            Some(Some(lease))
        );
        assert_eq!(decode_time_to_live(encode_time_to_live(None)), Some(None));
    }

    #[test]
    fn truncated_bytes_are_refused() {
        let call = LeaderCall::TimeToLive {
            id: LeaseId::new(1),
            keys: true,
        }
        .encode();
        let lease = LeaseTimeToLive {
            ttl_seconds: 5,
            granted_ttl_seconds: 9,
            keys: vec!["abc".into()],
        };
        let answer = encode_time_to_live(Some(&lease));
        for length in 0..call.len() {
            assert_eq!(LeaderCall::decode(call.slice(..length)), None);
        }
        for length in 17..answer.len() {
            assert_eq!(decode_time_to_live(answer.slice(..length)), None, "{length}");
        }
    }
}
