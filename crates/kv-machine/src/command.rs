use kv_mvcc::{DeleteRequest, PutRequest, TxnRequest};
use kv_types::{LeaseId, MemberId, RequestId, Revision, Term};

use crate::codec::{CodecError, Reader, Write};
use crate::ops_codec;
use crate::upkeep::Alarm;

/// One replicated change. Everything that could differ among members (ids, times to live, URLs) is decided
/// before it is proposed.
#[derive(Clone, Debug, PartialEq)]
pub enum Command {
    /// Puts a key.
    Put(PutRequest),
    /// Deletes the keys of a range.
    Delete(DeleteRequest),
    /// Runs a transaction.
    Txn(TxnRequest),
    /// Discards history below a revision.
    Compact(Revision),
    /// Creates a lease.
    LeaseGrant {
        /// Its ID.
        id: LeaseId,
        /// Time to live in seconds, already within bounds.
        ttl_seconds: i64,
    },
    /// Ends a lease and deletes its keys.
    LeaseRevoke(LeaseId),
    /// Ends a lease whose time is over by the clock of `leader` in `term`. In the log of another leader it does
    /// nothing: that one may have renewed the lease.
    LeaseExpire {
        /// The lease.
        id: LeaseId,
        /// The leader whose clock it was.
        leader: MemberId,
        /// Its term, which may have a second leader.
        term: Term,
    },
    /// Says what a started member is called and where it serves clients.
    Publish {
        /// The member.
        member: MemberId,
        /// Its name.
        name: String,
        /// Its client URLs.
        client_urls: Vec<String>,
    },
    /// Raises an alarm.
    RaiseAlarm(Alarm),
    /// Disarms an alarm.
    DisarmAlarm(Alarm),
    /// Begins a downgrade of the cluster to a version, or gives it up.
    Downgrade(Option<String>),
}

/// A command and who waits for its outcome.
#[derive(Clone, Debug, PartialEq)]
pub struct Proposal {
    /// Unique among all proposals of the cluster's life.
    pub id: RequestId,
    /// What to do.
    pub command: Command,
}

mod tag {
    pub(super) const PUT: u8 = 1;
    pub(super) const DELETE: u8 = 2;
    pub(super) const TXN: u8 = 3;
    pub(super) const COMPACT: u8 = 4;
    pub(super) const LEASE_GRANT: u8 = 5;
    pub(super) const LEASE_REVOKE: u8 = 6;
    pub(super) const PUBLISH: u8 = 7;
    // 8 was an expiry that did not name the leader.
    pub(super) const LEASE_EXPIRE: u8 = 9;
    pub(super) const RAISE_ALARM: u8 = 15;
    pub(super) const DISARM_ALARM: u8 = 16;
    pub(super) const DOWNGRADE: u8 = 17;
}

impl Proposal {
    /// Appends the proposal to a log entry's payload. A payload is any number of proposals, one after
    /// another: the request ID, a tag, and the fields of the command.
    pub fn encode(&self, buffer: &mut Vec<u8>) {
        buffer.unsigned(self.id.get());
        match &self.command {
            Command::Put(request) => {
                buffer.tag(tag::PUT);
                ops_codec::write_put(buffer, request);
            }
            Command::Delete(request) => {
                buffer.tag(tag::DELETE);
                ops_codec::write_delete(buffer, request);
            }
            Command::Txn(request) => {
                buffer.tag(tag::TXN);
                ops_codec::write_txn(buffer, request);
            }
            Command::Compact(revision) => {
                buffer.tag(tag::COMPACT);
                buffer.signed(revision.get());
            }
            Command::LeaseGrant { id, ttl_seconds } => {
                buffer.tag(tag::LEASE_GRANT);
                buffer.signed(id.get());
                buffer.signed(*ttl_seconds);
            }
            Command::LeaseRevoke(id) => {
                buffer.tag(tag::LEASE_REVOKE);
                buffer.signed(id.get());
            }
            Command::LeaseExpire { id, leader, term } => {
                buffer.tag(tag::LEASE_EXPIRE);
                buffer.signed(id.get());
                buffer.unsigned(leader.get());
                buffer.unsigned(term.get());
            }
            Command::Publish {
                member,
                name,
                client_urls,
            } => {
                buffer.tag(tag::PUBLISH);
                buffer.unsigned(member.get());
                buffer.bytes(name.as_bytes());
                buffer.unsigned(client_urls.len() as u64);
                for url in client_urls {
                    buffer.bytes(url.as_bytes());
                }
            }
            Command::RaiseAlarm(alarm) => {
                buffer.tag(tag::RAISE_ALARM);
                alarm.encode(buffer);
            }
            Command::DisarmAlarm(alarm) => {
                buffer.tag(tag::DISARM_ALARM);
                alarm.encode(buffer);
            }
            Command::Downgrade(target) => {
                buffer.tag(tag::DOWNGRADE);
                buffer.flag(target.is_some());
                if let Some(target) = target {
                    buffer.bytes(target.as_bytes());
                }
            }
        }
    }

    /// Reads all proposals of a payload.
    ///
    /// # Errors
    /// [`CodecError`] if the bytes are none, or of a later version.
    pub fn decode_all(payload: &[u8]) -> Result<Vec<Self>, CodecError> {
        let mut reader = Reader::new(payload);
        let mut proposals = Vec::new();
        while !reader.is_empty() {
            proposals.push(Self::decode(&mut reader)?);
        }
        Ok(proposals)
    }

    fn decode(reader: &mut Reader<'_>) -> Result<Self, CodecError> {
        let id = RequestId::new(reader.unsigned()?);
        let command = match reader.tag()? {
            tag::PUT => Command::Put(ops_codec::read_put(reader)?),
            tag::DELETE => Command::Delete(ops_codec::read_delete(reader)?),
            tag::TXN => Command::Txn(ops_codec::read_txn(reader)?),
            tag::COMPACT => Command::Compact(Revision::new(reader.signed()?)),
            tag::LEASE_GRANT => Command::LeaseGrant {
                id: LeaseId::new(reader.signed()?),
                ttl_seconds: reader.signed()?,
            },
            tag::LEASE_REVOKE => Command::LeaseRevoke(LeaseId::new(reader.signed()?)),
            tag::LEASE_EXPIRE => Command::LeaseExpire {
                id: LeaseId::new(reader.signed()?),
                leader: MemberId::new(reader.unsigned()?),
                term: Term::new(reader.unsigned()?),
            },
            tag::PUBLISH => Command::Publish {
                member: MemberId::new(reader.unsigned()?),
                name: reader.text()?,
                client_urls: reader.list(Reader::text)?,
            },
            tag::RAISE_ALARM => Command::RaiseAlarm(Alarm::decode(reader)?),
            tag::DISARM_ALARM => Command::DisarmAlarm(Alarm::decode(reader)?),
            tag::DOWNGRADE => Command::Downgrade(reader.flag()?.then(|| reader.text()).transpose()?),
            _ => return Err(reader.error("command")),
        };
        Ok(Self { id, command })
    }
}
