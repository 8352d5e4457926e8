use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use kv_types::MemberId;
use kv_types::planted::{Bug, is_planted};

use crate::codec::{CodecError, Reader, Write};

/// What is known of one member of the cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// Its ID.
    pub id: MemberId,
    /// Its name; empty until it has started and published itself.
    pub name: String,
    /// Where its peers reach it.
    pub peer_urls: Vec<String>,
    /// Where clients reach it; empty until it has published itself.
    pub client_urls: Vec<String>,
    /// Whether it has no vote.
    pub learner: bool,
}

/// A member as the Raft membership has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RaftMember {
    /// Its ID.
    pub id: MemberId,
    /// Where its peers reach it.
    pub peer_urls: Vec<String>,
    /// Whether it has no vote.
    pub learner: bool,
}

/// The members of the cluster: the Raft membership says who, each member says the rest of itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Cluster {
    members: BTreeMap<MemberId, Member>,
    /// Who was a member once and never will be again.
    removed: BTreeSet<MemberId>,
    /// The membership as Raft encodes it; opaque here.
    membership: Bytes,
}

impl Cluster {
    /// Ascending by ID, as etcd lists them.
    pub(crate) fn members(&self) -> Vec<Member> {
        self.members.values().cloned().collect()
    }

    pub(crate) fn removed(&self) -> &BTreeSet<MemberId> {
        &self.removed
    }

    pub(crate) fn membership(&self) -> Bytes {
        self.membership.clone()
    }

    /// Takes a new membership; who stays keeps what it has published.
    pub(crate) fn set_membership(&mut self, encoded: Bytes, members: Vec<RaftMember>) {
        self.membership = encoded;
        let mut before = std::mem::take(&mut self.members);
        self.members = members
            .into_iter()
            .map(
                |RaftMember {
                     id,
                     peer_urls,
                     learner,
                 }| {
                    let (name, client_urls) = before
                        .remove(&id)
                        .map(|member| (member.name, member.client_urls))
                        .unwrap_or_default();
                    (
                        id,
                        Member {
                            id,
                            name,
                            peer_urls,
                            client_urls,
                            learner,
                        },
                    )
                },
            )
            .collect();
        self.removed.extend(before.into_keys());
    }

    /// A member says what it is called; a member that is not there any more is not brought back.
    pub(crate) fn publish(&mut self, id: MemberId, name: String, client_urls: Vec<String>) {
        if let Some(member) = self.members.get_mut(&id) {
            member.name = name;
            member.client_urls = client_urls;
        }
    }

    pub(crate) fn encode(&self, buffer: &mut Vec<u8>) {
        buffer.bytes(&self.membership);
        buffer.unsigned(self.members.len() as u64);
        for member in self.members.values() {
            buffer.unsigned(member.id.get());
            buffer.bytes(member.name.as_bytes());
            buffer.flag(member.learner);
            for urls in [&member.peer_urls, &member.client_urls] {
                buffer.unsigned(urls.len() as u64);
                for url in urls {
                    buffer.bytes(url.as_bytes());
                }
            }
        }
        let forgets = is_planted(Bug::RemovedMemberForgotten);
        let removed = self.removed.iter().filter(|_| !forgets);
        buffer.unsigned(removed.clone().count() as u64);
        for id in removed {
            buffer.unsigned(id.get());
        }
    }

    /// Reads what was written `with_removed` members, which the first format did not name.
    pub(crate) fn decode(reader: &mut Reader<'_>, with_removed: bool) -> Result<Self, CodecError> {
        let membership = reader.bytes()?;
        let members = reader.list(|reader| {
            Ok(Member {
                id: MemberId::new(reader.unsigned()?),
                name: reader.text()?,
                learner: reader.flag()?,
                peer_urls: reader.list(Reader::text)?,
                client_urls: reader.list(Reader::text)?,
            })
        })?;
        let members = members.into_iter().map(|member| (member.id, member)).collect();
        let removed = if with_removed {
            reader.list(|reader| Ok(MemberId::new(reader.unsigned()?)))?
        } else {
            Vec::new()
        };
        Ok(Self {
            members,
            removed: removed.into_iter().collect(),
            membership,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn raft_member(id: u64) -> RaftMember {
        RaftMember {
            id: MemberId::new(id),
            peer_urls: vec![format!("http://h:{id}")],
            learner: id == 3,
        }
    }

    #[test]
    fn members_keep_what_they_published_across_membership_changes() {
        let mut cluster = Cluster::default();
        cluster.set_membership(Bytes::from_static(b"one"), vec![raft_member(1)]);
        cluster.publish(MemberId::new(1), "a".into(), vec!["http://c:1".into()]);
        cluster.publish(MemberId::new(9), "gone".into(), vec![]);
        cluster.set_membership(Bytes::from_static(b"two"), vec![raft_member(3), raft_member(1)]);

        let members = cluster.members();
        assert_eq!(
            members.iter().map(|m| m.name.as_str()).collect::<Vec<_>>(),
            ["a", ""]
        );
        assert!(members[1].learner && members[1].client_urls.is_empty());
        assert!(cluster.removed().is_empty());
        cluster.set_membership(Bytes::from_static(b"three"), vec![raft_member(1)]);
        assert_eq!(cluster.removed(), &BTreeSet::from([MemberId::new(3)]));

        let mut buffer = Vec::new();
        cluster.encode(&mut buffer);
        assert_eq!(Cluster::decode(&mut Reader::new(&buffer), true), Ok(cluster));
    }
}
