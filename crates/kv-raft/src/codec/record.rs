//! What is kept on disk.
//!
//! | Record | Layout after the version (1) |
//! |---|---|
//! | entry | kind `u8` (1 blank, 2 command, 3 membership), term `u64`, leader `u64`, then to its end the command, or the membership |
//! | vote | committed `u8`, term `u64`, member `u64` |
//! | log ID (committed, purged) | term `u64`, leader `u64`, index `u64` |
//! | stored membership | flag and log ID, membership |
//! | membership | list of voter sets (each a list of `u64`), list of nodes (each ID `u64`, list of URLs, in whose length the highest bit marks a learner) |
//!
//! An entry's index is that of its record in the log.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;

use super::{Malformed, Reader, Write};
use crate::types::{Command, Entry, LogId, Membership, Node, Payload, StoredMembership, Vote};

/// The version of every record.
const VERSION: u8 = 1;

const BLANK: u8 = 1;
const COMMAND: u8 = 2;
const MEMBERSHIP: u8 = 3;

/// Marks a learner in the number of its URLs.
const LEARNER: u32 = 1 << 31;

/// Bytes an entry takes beside its content.
pub(crate) const ENTRY_HEADER: usize = 18;

pub(crate) fn encode_entry(entry: &Entry) -> Bytes {
    let content = match &entry.payload {
        Payload::Normal(Command(content)) => content.len(),
        Payload::Blank | Payload::Membership(_) => 0,
    };
    let mut buffer = Vec::with_capacity(ENTRY_HEADER + content);
    put_entry(&mut buffer, entry);
    buffer.into()
}

pub(crate) fn put_entry(buffer: &mut Vec<u8>, entry: &Entry) {
    buffer.put_u8(VERSION);
    buffer.put_u8(match &entry.payload {
        Payload::Blank => BLANK,
        Payload::Normal(_) => COMMAND,
        Payload::Membership(_) => MEMBERSHIP,
    });
    buffer.put_leader_id(entry.log_id.committed_leader_id());
    match &entry.payload {
        Payload::Blank => {}
        Payload::Normal(Command(content)) => buffer.put_slice(content),
        Payload::Membership(membership) => put_membership(buffer, membership),
    }
}

/// The command shares the memory of `record`.
pub(crate) fn decode_entry(index: u64, record: Bytes) -> Result<Entry, Malformed> {
    let mut reader = Reader::new("log entry", record);
    reader.version(VERSION)?;
    let at_kind = reader.malformed();
    let kind = reader.u8()?;
    let log_id = LogId::new(reader.leader_id()?, index);
    let payload = match kind {
        BLANK => {
            reader.finish()?;
            Payload::Blank
        }
        COMMAND => Payload::Normal(Command(reader.rest())),
        MEMBERSHIP => {
            let membership = read_membership(&mut reader)?;
            reader.finish()?;
            Payload::Membership(membership)
        }
        _ => return Err(at_kind),
    };
    Ok(Entry { log_id, payload })
}

pub(crate) fn encode_vote(vote: &Vote) -> Bytes {
    let mut buffer = vec![VERSION];
    buffer.put_vote(vote);
    buffer.into()
}

pub(crate) fn decode_vote(record: Bytes) -> Result<Vote, Malformed> {
    let mut reader = Reader::new("vote", record);
    reader.version(VERSION)?;
    let vote = reader.vote()?;
    reader.finish()?;
    Ok(vote)
}

pub(crate) fn encode_log_id(log_id: &LogId) -> Bytes {
    let mut buffer = vec![VERSION];
    buffer.put_log_id(log_id);
    buffer.into()
}

pub(crate) fn decode_log_id(record: Bytes) -> Result<LogId, Malformed> {
    let mut reader = Reader::new("log ID", record);
    reader.version(VERSION)?;
    let log_id = reader.log_id()?;
    reader.finish()?;
    Ok(log_id)
}

pub(crate) fn encode_stored_membership(stored: &StoredMembership) -> Bytes {
    let mut buffer = vec![VERSION];
    buffer.put_option(stored.log_id().as_ref(), Write::put_log_id);
    put_membership(&mut buffer, stored.membership());
    buffer.into()
}

/// Nothing stands for no membership.
pub(crate) fn decode_stored_membership(record: Bytes) -> Result<StoredMembership, Malformed> {
    if record.is_empty() {
        return Ok(StoredMembership::default());
    }
    let mut reader = Reader::new("stored membership", record);
    reader.version(VERSION)?;
    let log_id = reader.option(Reader::log_id)?;
    let membership = read_membership(&mut reader)?;
    reader.finish()?;
    Ok(StoredMembership::new(log_id, membership))
}

fn put_membership(buffer: &mut Vec<u8>, membership: &Membership) {
    let voter_sets = membership.get_joint_config();
    buffer.put_length(voter_sets.len());
    for voters in voter_sets {
        buffer.put_length(voters.len());
        for id in voters {
            buffer.put_u64(*id);
        }
    }
    buffer.put_length(membership.nodes().count());
    for (id, node) in membership.nodes() {
        buffer.put_u64(*id);
        let count = u32::try_from(node.urls.len()).expect("a member has few URLs");
        buffer.put_u32(count | if node.learner { LEARNER } else { 0 });
        for url in &node.urls {
            buffer.put_bytes(url.as_bytes());
        }
    }
}

fn read_node(reader: &mut Reader) -> Result<Node, Malformed> {
    let at = reader.malformed();
    let count = reader.u32()?;
    // Each takes room of its own, so a count cannot ask for more memory than the record has.
    let urls = (0..count & !LEARNER).map(|_| reader.text().map_err(|_| at));
    Ok(Node {
        urls: urls.collect::<Result<_, _>>()?,
        learner: count & LEARNER != 0,
    })
}

fn read_membership(reader: &mut Reader) -> Result<Membership, Malformed> {
    let at = reader.malformed();
    let voter_sets = reader.list(4, |reader| Ok(BTreeSet::from_iter(reader.list(8, Reader::u64)?)))?;
    let nodes = reader.list(12, |reader| Ok((reader.u64()?, read_node(reader)?)))?;
    if voter_sets.is_empty() && nodes.is_empty() {
        return Ok(Membership::default());
    }
    Membership::new(voter_sets, BTreeMap::from_iter(nodes)).map_err(|_| at)
}
