use kv_auth::{AuthChange, Caller};
use kv_mvcc::{DeleteRequest, PutRequest, TxnRequest};
use kv_types::{AuthRevision, LeaseId, MemberId, RequestId, Revision, Term};

use crate::codec::{CodecError, Reader, Write};
use crate::upkeep::Alarm;
use crate::{auth_codec, ops_codec};

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
    /// Changes users, roles or permissions.
    Auth(AuthChange),
    /// Lets a user in whose password was found to be right.
    Authenticate {
        /// The user.
        user: String,
        /// The auth revision at which the password was right. At a later one it may be another: nobody is let in.
        revision: AuthRevision,
        /// What a simple token begins with; empty if the member that was asked makes tokens of its own.
        token_prefix: String,
    },
}

/// A command and who waits for its outcome.
#[derive(Clone, Debug, PartialEq)]
pub struct Proposal {
    /// Unique among all proposals of the cluster's life.
    pub id: RequestId,
    /// Whose request it is, if a user makes it. Whether the user may is judged when it is applied.
    pub caller: Option<Caller>,
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
    /// Says whose request the command behind it is.
    pub(super) const CALLER: u8 = 20;
    pub(super) const AUTHENTICATE: u8 = 21;
    pub(super) const AUTH: u8 = 22;
}

impl Proposal {
    /// Appends the proposal to a log entry's payload. A payload is any number of proposals, one after
    /// another: the request ID, the caller if there is one, a tag, and the fields of the command.
    pub fn encode(&self, buffer: &mut Vec<u8>) {
        buffer.unsigned(self.id.get());
        if let Some(Caller { user, revision }) = &self.caller {
            buffer.tag(tag::CALLER);
            buffer.bytes(user.as_bytes());
            buffer.unsigned(revision.get());
        }
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
            Command::Auth(change) => {
                buffer.tag(tag::AUTH);
                auth_codec::write_change(buffer, change);
            }
            Command::Authenticate {
                user,
                revision,
                token_prefix,
            } => {
                buffer.tag(tag::AUTHENTICATE);
                buffer.bytes(user.as_bytes());
                buffer.unsigned(revision.get());
                buffer.bytes(token_prefix.as_bytes());
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
        let mut kind = reader.tag()?;
        let caller = if kind == tag::CALLER {
            let caller = Caller {
                user: reader.text()?,
                revision: AuthRevision::new(reader.unsigned()?),
            };
            kind = reader.tag()?;
            Some(caller)
        } else {
            None
        };
        let command = match kind {
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
            tag::AUTH => Command::Auth(auth_codec::read_change(reader)?),
            tag::AUTHENTICATE => Command::Authenticate {
                user: reader.text()?,
                revision: AuthRevision::new(reader.unsigned()?),
                token_prefix: reader.text()?,
            },
            _ => return Err(reader.error("command")),
        };
        Ok(Self { id, caller, command })
    }
}
