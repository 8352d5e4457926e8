//! What members send each other.
//!
//! | Message | Layout after the version (1) |
//! |---|---|
//! | append, heartbeat | vote, flag and log ID before the entries, flag and log ID committed, list of entries (each a byte string holding an entry record) |
//! | answer to it | 0, flag and log ID that matches; or 1 and the log ID that conflicts; or 2 and the higher vote |
//! | vote, pre-vote | vote, flag and last log ID, flag: leadership transfer |
//! | answer to it | vote, flag: granted, flag and last log ID |
//! | transfer leader | vote of the leader, member `u64`, flag and last log ID |
//! | answer to it | 0; or 1, expected and actual vote; or 2, expected and actual last log ID (each with a flag) |
//! | propose | term and member of the leader it is meant for, then the proposal |
//! | answer to it | 0 and index; or 1: not taken; or 2: unknown |
//! | read index | nothing |
//! | answer to it | 0 and index; or 1: not leading; or 2: not confirmed |
//! | ask | the question |
//! | answer to it | 0 and the answer; or 1: not leading |
//! | snapshot | 0, vote, ID, log ID, stored membership, number of frames; then for each frame 1, its number, its crc32c, its bytes |
//! | answers to it | 0 and the first frame wanted; 1 and the number of frames received; 2: installing; 3 and vote: done or refused |

use bytes::Bytes;

use super::{ENTRY_HEADER, Malformed, Reader, Write, decode_entry, put_entry};
use crate::types::{
    AppendRequest, AppendResult, LeaderId, Payload, TransferRequest, TransferResponse, Vote, VoteRequest,
    VoteResponse,
};
use openraft::raft::{StreamAppendError, TransferLeaderError};

/// The version of every message.
const VERSION: u8 = 1;

fn read(what: &'static str, message: Bytes) -> Result<Reader, Malformed> {
    let mut reader = Reader::new(what, message);
    reader.version(VERSION)?;
    Ok(reader)
}

pub(crate) fn encode_append(request: &AppendRequest) -> Bytes {
    let content = |payload: &Payload| match payload {
        Payload::Normal(command) => command.0.len(),
        Payload::Blank | Payload::Membership(_) => 0,
    };
    let entries: usize = request
        .entries
        .iter()
        .map(|entry| 4 + ENTRY_HEADER + content(&entry.payload))
        .sum();
    let mut buffer = Vec::with_capacity(128 + entries);
    buffer.push(VERSION);
    buffer.put_vote(&request.vote);
    buffer.put_option(request.prev_log_id.as_ref(), Write::put_log_id);
    buffer.put_option(request.leader_commit.as_ref(), Write::put_log_id);
    buffer.put_length(request.entries.len());
    for entry in &request.entries {
        let start = buffer.len();
        buffer.put_length(0);
        put_entry(&mut buffer, entry);
        let length = u32::try_from(buffer.len() - start - 4).expect("entries are far below 4 GiB");
        buffer[start..start + 4].copy_from_slice(&length.to_le_bytes());
    }
    buffer.into()
}

pub(crate) fn decode_append(message: Bytes) -> Result<AppendRequest, Malformed> {
    let mut reader = read("append", message)?;
    let vote = reader.vote()?;
    let prev_log_id = reader.option(Reader::log_id)?;
    let leader_commit = reader.option(Reader::log_id)?;
    let at = reader.malformed();
    let mut index = match &prev_log_id {
        Some(prev) => prev.index().checked_add(1).ok_or(at)?,
        None => 0,
    };
    let entries = reader.list(4 + ENTRY_HEADER, |reader| {
        let entry = decode_entry(index, reader.bytes()?)?;
        index = index.checked_add(1).ok_or(at)?;
        Ok(entry)
    })?;
    reader.finish()?;
    Ok(AppendRequest {
        vote,
        prev_log_id,
        entries,
        leader_commit,
    })
}

pub(crate) fn encode_append_result(result: &AppendResult) -> Bytes {
    let mut buffer = vec![VERSION];
    match result {
        Ok(matching) => {
            buffer.put_u8(0);
            buffer.put_option(matching.as_ref(), Write::put_log_id);
        }
        Err(StreamAppendError::Conflict(log_id)) => {
            buffer.put_u8(1);
            buffer.put_log_id(log_id);
        }
        Err(StreamAppendError::HigherVote(vote)) => {
            buffer.put_u8(2);
            buffer.put_vote(vote);
        }
    }
    buffer.into()
}

pub(crate) fn decode_append_result(message: Bytes) -> Result<AppendResult, Malformed> {
    let mut reader = read("append answer", message)?;
    let at = reader.malformed();
    let result = match reader.u8()? {
        0 => Ok(reader.option(Reader::log_id)?),
        1 => Err(StreamAppendError::Conflict(reader.log_id()?)),
        2 => Err(StreamAppendError::HigherVote(reader.vote()?)),
        _ => return Err(at),
    };
    reader.finish()?;
    Ok(result)
}

pub(crate) fn encode_vote_request(request: &VoteRequest) -> Bytes {
    let mut buffer = vec![VERSION];
    buffer.put_vote(&request.vote);
    buffer.put_option(request.last_log_id.as_ref(), Write::put_log_id);
    buffer.put_u8(request.leadership_transfer.into());
    buffer.into()
}

pub(crate) fn decode_vote_request(message: Bytes) -> Result<VoteRequest, Malformed> {
    let mut reader = read("vote request", message)?;
    let mut request = VoteRequest::new(reader.vote()?, reader.option(Reader::log_id)?);
    request.leadership_transfer = reader.flag()?;
    reader.finish()?;
    Ok(request)
}

pub(crate) fn encode_vote_response(response: &VoteResponse) -> Bytes {
    let mut buffer = vec![VERSION];
    buffer.put_vote(&response.vote);
    buffer.put_u8(response.vote_granted.into());
    buffer.put_option(response.last_log_id.as_ref(), Write::put_log_id);
    buffer.into()
}

pub(crate) fn decode_vote_response(message: Bytes) -> Result<VoteResponse, Malformed> {
    let mut reader = read("vote answer", message)?;
    let vote = reader.vote()?;
    let granted = reader.flag()?;
    let response = VoteResponse::new(vote, reader.option(Reader::log_id)?, granted);
    reader.finish()?;
    Ok(response)
}

pub(crate) fn encode_transfer(request: &TransferRequest) -> Bytes {
    let mut buffer = vec![VERSION];
    buffer.put_vote(request.from_leader());
    buffer.put_u64(*request.to_node_id());
    buffer.put_option(request.last_log_id(), Write::put_log_id);
    buffer.into()
}

pub(crate) fn decode_transfer(message: Bytes) -> Result<TransferRequest, Malformed> {
    let mut reader = read("leader transfer", message)?;
    let request = TransferRequest::new(reader.vote()?, reader.u64()?, reader.option(Reader::log_id)?);
    reader.finish()?;
    Ok(request)
}

pub(crate) fn encode_transfer_response(response: &TransferResponse) -> Bytes {
    let mut buffer = vec![VERSION];
    match response {
        Ok(()) => buffer.put_u8(0),
        Err(TransferLeaderError::VoteChanged { expected, actual }) => {
            buffer.put_u8(1);
            buffer.put_vote(expected);
            buffer.put_vote(actual);
        }
        Err(TransferLeaderError::LogNotFlushed { expected, actual }) => {
            buffer.put_u8(2);
            buffer.put_option(expected.as_ref(), Write::put_log_id);
            buffer.put_option(actual.as_ref(), Write::put_log_id);
        }
    }
    buffer.into()
}

pub(crate) fn decode_transfer_response(message: Bytes) -> Result<TransferResponse, Malformed> {
    let mut reader = read("leader transfer answer", message)?;
    let at = reader.malformed();
    let response = match reader.u8()? {
        0 => Ok(()),
        1 => Err(TransferLeaderError::VoteChanged {
            expected: reader.vote()?,
            actual: reader.vote()?,
        }),
        2 => Err(TransferLeaderError::LogNotFlushed {
            expected: reader.option(Reader::log_id)?,
            actual: reader.option(Reader::log_id)?,
        }),
        _ => return Err(at),
    };
    reader.finish()?;
    Ok(response)
}

pub(crate) fn encode_propose(leader: &LeaderId, proposal: &[u8]) -> Bytes {
    let mut buffer = Vec::with_capacity(17 + proposal.len());
    buffer.push(VERSION);
    buffer.put_leader_id(leader);
    buffer.put_slice(proposal);
    buffer.into()
}

pub(crate) fn decode_propose(message: Bytes) -> Result<(LeaderId, Bytes), Malformed> {
    let mut reader = read("proposal", message)?;
    Ok((reader.leader_id()?, reader.rest()))
}

/// What a leader says to a proposal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Proposed {
    /// Committed at this index.
    Committed(u64),
    /// It is in no log and never will be.
    NotTaken,
    /// It is in the leader's log, or was.
    Unknown,
}

pub(crate) fn encode_proposed(proposed: Proposed) -> Bytes {
    let mut buffer = vec![VERSION];
    match proposed {
        Proposed::Committed(index) => {
            buffer.put_u8(0);
            buffer.put_u64(index);
        }
        Proposed::NotTaken => buffer.put_u8(1),
        Proposed::Unknown => buffer.put_u8(2),
    }
    buffer.into()
}

pub(crate) fn decode_proposed(message: Bytes) -> Result<Proposed, Malformed> {
    let mut reader = read("proposal answer", message)?;
    let at = reader.malformed();
    let proposed = match reader.u8()? {
        0 => Proposed::Committed(reader.u64()?),
        1 => Proposed::NotTaken,
        2 => Proposed::Unknown,
        _ => return Err(at),
    };
    reader.finish()?;
    Ok(proposed)
}

/// What a leader says to a read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ReadIndex {
    /// It may be answered once this much is applied.
    At(u64),
    /// This member does not lead.
    NotLeading,
    /// This member could not confirm that it leads.
    NotConfirmed,
}

pub(crate) fn encode_read_index_request() -> Bytes {
    Bytes::from_static(&[VERSION])
}

pub(crate) fn decode_read_index_request(message: Bytes) -> Result<(), Malformed> {
    read("read index request", message)?.finish()
}

pub(crate) fn encode_read_index(answer: ReadIndex) -> Bytes {
    let mut buffer = vec![VERSION];
    match answer {
        ReadIndex::At(index) => {
            buffer.put_u8(0);
            buffer.put_u64(index);
        }
        ReadIndex::NotLeading => buffer.put_u8(1),
        ReadIndex::NotConfirmed => buffer.put_u8(2),
    }
    buffer.into()
}

pub(crate) fn decode_read_index(message: Bytes) -> Result<ReadIndex, Malformed> {
    let mut reader = read("read index answer", message)?;
    let at = reader.malformed();
    let answer = match reader.u8()? {
        0 => ReadIndex::At(reader.u64()?),
        1 => ReadIndex::NotLeading,
        2 => ReadIndex::NotConfirmed,
        _ => return Err(at),
    };
    reader.finish()?;
    Ok(answer)
}

pub(crate) fn encode_ask(question: &[u8]) -> Bytes {
    let mut buffer = Vec::with_capacity(1 + question.len());
    buffer.push(VERSION);
    buffer.put_slice(question);
    buffer.into()
}

pub(crate) fn decode_ask(message: Bytes) -> Result<Bytes, Malformed> {
    Ok(read("question", message)?.rest())
}

/// Nothing stands for "this member does not lead".
pub(crate) fn encode_answer(answer: Option<&[u8]>) -> Bytes {
    let mut buffer = vec![VERSION];
    match answer {
        Some(answer) => {
            buffer.put_u8(0);
            buffer.put_slice(answer);
        }
        None => buffer.put_u8(1),
    }
    buffer.into()
}

pub(crate) fn decode_answer(message: Bytes) -> Result<Option<Bytes>, Malformed> {
    let mut reader = read("answer", message)?;
    let at = reader.malformed();
    match reader.u8()? {
        0 => Ok(Some(reader.rest())),
        1 => reader.finish().map(|()| None),
        _ => Err(at),
    }
}

/// What the sender of a snapshot says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum SnapshotMessage {
    /// First: which snapshot.
    Offer {
        vote: Vote,
        meta: crate::SnapshotMeta,
        frames: u64,
    },
    /// Then its frames, from the first one wanted.
    Frame { number: u64, crc: u32, bytes: Bytes },
}

pub(crate) fn encode_snapshot_message(message: &SnapshotMessage) -> Bytes {
    let mut buffer = vec![VERSION];
    match message {
        SnapshotMessage::Offer { vote, meta, frames } => {
            buffer.put_u8(0);
            buffer.put_vote(vote);
            buffer.put_bytes(meta.id.as_bytes());
            buffer.put_log_id(&crate::types::from_log_id(&meta.log_id));
            buffer.put_bytes(&meta.membership);
            buffer.put_u64(*frames);
        }
        SnapshotMessage::Frame { number, crc, bytes } => {
            buffer.reserve_exact(14 + bytes.len());
            buffer.put_u8(1);
            buffer.put_u64(*number);
            buffer.put_u32(*crc);
            buffer.put_slice(bytes);
        }
    }
    buffer.into()
}

pub(crate) fn decode_snapshot_message(message: Bytes) -> Result<SnapshotMessage, Malformed> {
    let mut reader = read("snapshot message", message)?;
    let at = reader.malformed();
    match reader.u8()? {
        0 => {
            let vote = reader.vote()?;
            let id = reader.text()?;
            let log_id = crate::types::to_log_id(&reader.log_id()?);
            let membership = reader.bytes()?;
            let frames = reader.u64()?;
            reader.finish()?;
            Ok(SnapshotMessage::Offer {
                vote,
                meta: crate::SnapshotMeta {
                    id,
                    log_id,
                    membership,
                },
                frames,
            })
        }
        1 => Ok(SnapshotMessage::Frame {
            number: reader.u64()?,
            crc: reader.u32()?,
            bytes: reader.rest(),
        }),
        _ => Err(at),
    }
}

/// What the receiver of a snapshot says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SnapshotAnswer {
    /// Send from this frame on.
    Wanted(u64),
    /// So many frames are here.
    Received(u64),
    /// All frames are here and are being installed; said again and again while that takes.
    Installing,
    /// Installed, if the vote is not above the sender's; otherwise refused.
    Done(Vote),
}

pub(crate) fn encode_snapshot_answer(answer: &SnapshotAnswer) -> Bytes {
    let mut buffer = vec![VERSION];
    match answer {
        SnapshotAnswer::Wanted(frame) => {
            buffer.put_u8(0);
            buffer.put_u64(*frame);
        }
        SnapshotAnswer::Received(frames) => {
            buffer.put_u8(1);
            buffer.put_u64(*frames);
        }
        SnapshotAnswer::Installing => buffer.put_u8(2),
        SnapshotAnswer::Done(vote) => {
            buffer.put_u8(3);
            buffer.put_vote(vote);
        }
    }
    buffer.into()
}

pub(crate) fn decode_snapshot_answer(message: Bytes) -> Result<SnapshotAnswer, Malformed> {
    let mut reader = read("snapshot answer", message)?;
    let at = reader.malformed();
    let answer = match reader.u8()? {
        0 => SnapshotAnswer::Wanted(reader.u64()?),
        1 => SnapshotAnswer::Received(reader.u64()?),
        2 => SnapshotAnswer::Installing,
        3 => SnapshotAnswer::Done(reader.vote()?),
        _ => return Err(at),
    };
    reader.finish()?;
    Ok(answer)
}
