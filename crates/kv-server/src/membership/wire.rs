//! A change on its way to the leader and the answer, as bytes.
//!
//! | item | layout |
//! |---|---|
//! | change | kind (1 add, 2 remove, 3 update, 4 promote), ID, learner (1 byte), number of URLs, each as length and bytes |
//! | answer | 0 and the index of the log entry, or the code of a refusal |
//!
//! IDs and indexes are 8 bytes, numbers and lengths 4, little endian.

use bytes::{Buf, BufMut, Bytes};
use kv_types::{LogIndex, MemberId};

use super::{MemberChange, MemberError};
use crate::RequestError;

impl MemberChange {
    pub(crate) fn encode(&self, buffer: &mut Vec<u8>) {
        let (kind, id, learner, urls): (u8, _, _, &[String]) = match self {
            Self::Add {
                id,
                peer_urls,
                learner,
            } => (1, id, *learner, peer_urls),
            Self::Remove(id) => (2, id, false, &[]),
            Self::Update { id, peer_urls } => (3, id, false, peer_urls),
            Self::Promote(id) => (4, id, false, &[]),
        };
        buffer.put_u8(kind);
        buffer.put_u64_le(id.get());
        buffer.put_u8(u8::from(learner));
        buffer.put_u32_le(length(urls.len()));
        for url in urls {
            buffer.put_u32_le(length(url.len()));
            buffer.put_slice(url.as_bytes());
        }
    }

    /// `None` if the bytes are no change of this version.
    pub(crate) fn decode(bytes: &mut Bytes) -> Option<Self> {
        let kind = bytes.try_get_u8().ok()?;
        let id = MemberId::new(bytes.try_get_u64_le().ok()?);
        let learner = bytes.try_get_u8().ok()? == 1;
        let count = bytes.try_get_u32_le().ok()?;
        // Each takes room of its own, so a count cannot ask for more memory than there are bytes.
        let peer_urls = (0..count).map(|_| text(bytes)).collect::<Option<_>>()?;
        Some(match kind {
            1 => Self::Add {
                id,
                peer_urls,
                learner,
            },
            2 => Self::Remove(id),
            3 => Self::Update { id, peer_urls },
            4 => Self::Promote(id),
            _ => return None,
        })
    }
}

fn length(length: usize) -> u32 {
    u32::try_from(length).expect("requests are far below 4 GiB")
}

fn text(bytes: &mut Bytes) -> Option<String> {
    let length = bytes.try_get_u32_le().ok()? as usize;
    if length > bytes.len() {
        return None;
    }
    String::from_utf8(bytes.split_to(length).into()).ok()
}

/// Refusals and their codes.
const CODES: [(u8, RequestError); 10] = [
    (1, RequestError::Member(MemberError::IdExists)),
    (2, RequestError::Member(MemberError::PeerUrlsExist)),
    (3, RequestError::Member(MemberError::NotEnoughStarted)),
    (4, RequestError::Member(MemberError::NotFound)),
    (5, RequestError::Member(MemberError::NotLearner)),
    (6, RequestError::Member(MemberError::LearnerNotReady)),
    (7, RequestError::Member(MemberError::TooManyLearners)),
    (8, RequestError::Member(MemberError::Unhealthy)),
    (9, RequestError::Stopped),
    // Also for what has no code of its own: the outcome is unknown.
    (TIMEOUT, RequestError::Timeout),
];

const TIMEOUT: u8 = 10;

pub(crate) fn encode_answer(answer: &Result<LogIndex, RequestError>) -> Bytes {
    let mut buffer = Vec::with_capacity(9);
    match answer {
        Ok(index) => {
            buffer.put_u8(0);
            buffer.put_u64_le(index.get());
        }
        Err(error) => {
            let code = CODES.iter().find(|(_, known)| known == error);
            buffer.put_u8(code.map_or(TIMEOUT, |(code, _)| *code));
        }
    }
    buffer.into()
}

/// `None` if the bytes are no answer of this version.
pub(crate) fn decode_answer(mut bytes: Bytes) -> Option<Result<LogIndex, RequestError>> {
    let code = bytes.try_get_u8().ok()?;
    if code == 0 {
        return Some(Ok(LogIndex::new(bytes.try_get_u64_le().ok()?)));
    }
    let known = CODES.iter().find(|(known, _)| *known == code)?;
    Some(Err(known.1.clone()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn changes() -> [MemberChange; 4] {
        let id = MemberId::new(0x1234);
        let peer_urls = vec!["http://a:1".to_owned(), "http://b:2".to_owned()];
        [
            MemberChange::Add {
                id,
                peer_urls: peer_urls.clone(),
                learner: true,
            },
            MemberChange::Remove(id),
            MemberChange::Update { id, peer_urls },
            MemberChange::Promote(id),
        ]
    }

    #[test]
    fn changes_and_answers_survive_and_truncated_ones_are_refused() {
        for change in changes() {
            let mut buffer = Vec::new();
            change.encode(&mut buffer);
            let encoded = Bytes::from(buffer);
            assert_eq!(MemberChange::decode(&mut encoded.clone()), Some(change));
            for length in 0..encoded.len() {
                assert_eq!(
                    MemberChange::decode(&mut encoded.slice(..length)),
                    None,
                    "{length}"
                );
            }
        }
        let refusals = CODES.iter().map(|(_, error)| Err(error.clone()));
        for answer in refusals.chain([Ok(LogIndex::new(7))]) {
            assert_eq!(decode_answer(encode_answer(&answer)), Some(answer));
        }
        let unknown = encode_answer(&Err(RequestError::TooManyRequests));
        assert_eq!(decode_answer(unknown), Some(Err(RequestError::Timeout)));
        for bytes in [&[][..], &[0, 1, 2], &[99]] {
            assert_eq!(decode_answer(Bytes::copy_from_slice(bytes)), None);
        }
    }
}
