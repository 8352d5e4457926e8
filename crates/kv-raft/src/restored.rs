use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::sync::mpsc;

use bytes::Bytes;
use kv_types::{LogId, LogIndex, MemberId, Term};
use kv_wal::{Wal, WriteError};

use crate::RaftMember;
use crate::codec;
use crate::types::{LeaderId, Membership, Node, StoredMembership, Vote, from_log_id};

/// Where the log of a restored cluster begins: all members are given the same state as the outcome of one entry, which
/// none of them has, so that whoever joins later gets a snapshot.
///
/// As in etcd's, it is of term 1, and its index is the number of members.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RestoredStart {
    /// The entry.
    pub log_id: LogId,
    /// The membership after it, encoded.
    pub membership: Bytes,
}

impl RestoredStart {
    /// The start of a cluster of these members, all of them voters.
    ///
    /// # Errors
    /// If there are none.
    pub fn new(members: &[RaftMember]) -> io::Result<Self> {
        let ids: BTreeSet<u64> = members.iter().map(|member| member.id.get()).collect();
        let first = ids.first().copied();
        let first =
            first.ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "a cluster without members"))?;
        let log_id = LogId {
            term: Term::new(1),
            leader: MemberId::new(first),
            index: LogIndex::new(members.len() as u64),
        };
        let voter = |member: &RaftMember| Node {
            urls: member.peer_urls.clone(),
            learner: false,
        };
        let nodes = members.iter().map(|member| (member.id.get(), voter(member)));
        let membership = Membership::new(vec![ids], nodes.collect::<BTreeMap<_, _>>());
        let membership = membership.map_err(io::Error::other)?;
        let stored = StoredMembership::new(Some(from_log_id(&log_id)), membership);
        Ok(Self {
            log_id,
            membership: codec::encode_stored_membership(&stored),
        })
    }

    /// Makes an empty log begin here, durably. Blocks; not to be called where the log's thread runs.
    ///
    /// # Errors
    /// What kept it from being written.
    pub fn begin_log(&self, wal: &Wal) -> io::Result<()> {
        let leader = LeaderId {
            term: self.log_id.term.get(),
            node_id: self.log_id.leader.get(),
        };
        // Nobody leads in the first term: all have given it away, so that the second has the first leader.
        let vote = Vote::new(leader.term, leader.node_id);
        let (sender, results) = mpsc::channel();
        let told = || {
            let sender = sender.clone();
            // The receiver waits for all of them.
            Box::new(move |result: Result<(), WriteError>| drop(sender.send(result)))
        };
        wal.save_vote(codec::encode_vote(&vote), told());
        let marker = codec::encode_log_id(&from_log_id(&self.log_id));
        wal.purge(self.log_id.index.get(), marker, told());
        drop(sender);
        results
            .iter()
            .try_for_each(|result| result.map_err(io::Error::other))
    }
}
