use bytes::{Buf, Bytes};
use thiserror::Error;

use crate::types::{LeaderId, LogId, Vote};

/// Bytes that are not what they should be.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[error("malformed {what} at byte {offset}")]
pub(crate) struct Malformed {
    /// What was being read.
    pub(crate) what: &'static str,
    /// Where it went wrong.
    pub(crate) offset: usize,
}

impl From<Malformed> for std::io::Error {
    fn from(error: Malformed) -> Self {
        Self::new(std::io::ErrorKind::InvalidData, error)
    }
}

impl From<Malformed> for crate::ServiceError {
    fn from(Malformed { what, offset }: Malformed) -> Self {
        Self::Malformed { what, offset }
    }
}

/// Takes a record apart. Byte strings share the memory of the whole.
pub(crate) struct Reader {
    what: &'static str,
    length: usize,
    rest: Bytes,
}

impl Reader {
    /// Reads `bytes`, which should be `what`.
    pub(crate) fn new(what: &'static str, bytes: Bytes) -> Self {
        Self {
            what,
            length: bytes.len(),
            rest: bytes,
        }
    }

    /// The error for what comes next.
    pub(crate) fn malformed(&self) -> Malformed {
        Malformed {
            what: self.what,
            offset: self.length - self.rest.len(),
        }
    }

    fn need(&self, bytes: usize) -> Result<(), Malformed> {
        if self.rest.len() < bytes {
            Err(self.malformed())
        } else {
            Ok(())
        }
    }

    /// Checks that the layout has the one version there is.
    pub(crate) fn version(&mut self, version: u8) -> Result<(), Malformed> {
        self.need(1)?;
        if self.rest[0] != version {
            return Err(self.malformed());
        }
        self.rest.advance(1);
        Ok(())
    }

    pub(crate) fn u8(&mut self) -> Result<u8, Malformed> {
        self.need(1)?;
        Ok(self.rest.get_u8())
    }

    pub(crate) fn flag(&mut self) -> Result<bool, Malformed> {
        self.need(1)?;
        let flag = match self.rest[0] {
            0 => false,
            1 => true,
            _ => return Err(self.malformed()),
        };
        self.rest.advance(1);
        Ok(flag)
    }

    pub(crate) fn u32(&mut self) -> Result<u32, Malformed> {
        self.need(4)?;
        Ok(self.rest.get_u32_le())
    }

    pub(crate) fn u64(&mut self) -> Result<u64, Malformed> {
        self.need(8)?;
        Ok(self.rest.get_u64_le())
    }

    pub(crate) fn bytes(&mut self) -> Result<Bytes, Malformed> {
        self.need(4)?;
        let length = (&self.rest[..4]).get_u32_le() as usize;
        if self.rest.len() - 4 < length {
            return Err(self.malformed());
        }
        self.rest.advance(4);
        Ok(self.rest.split_to(length))
    }

    pub(crate) fn text(&mut self) -> Result<String, Malformed> {
        let at = self.malformed();
        String::from_utf8(self.bytes()?.into()).map_err(|_| at)
    }

    /// A list whose elements take at least `element_bytes` each, so that a length cannot ask for more memory than
    /// the record has.
    pub(crate) fn list<T>(
        &mut self,
        element_bytes: usize,
        mut read: impl FnMut(&mut Self) -> Result<T, Malformed>,
    ) -> Result<Vec<T>, Malformed> {
        let at = self.malformed();
        let count = self.u32()? as usize;
        if count > self.rest.len() / element_bytes.max(1) {
            return Err(at);
        }
        let mut list = Vec::with_capacity(count);
        for _ in 0..count {
            list.push(read(self)?);
        }
        Ok(list)
    }

    pub(crate) fn option<T>(
        &mut self,
        read: impl FnOnce(&mut Self) -> Result<T, Malformed>,
    ) -> Result<Option<T>, Malformed> {
        if self.flag()? {
            read(self).map(Some)
        } else {
            Ok(None)
        }
    }

    pub(crate) fn leader_id(&mut self) -> Result<LeaderId, Malformed> {
        Ok(LeaderId {
            term: self.u64()?,
            node_id: self.u64()?,
        })
    }

    pub(crate) fn log_id(&mut self) -> Result<LogId, Malformed> {
        Ok(LogId::new(self.leader_id()?, self.u64()?))
    }

    pub(crate) fn vote(&mut self) -> Result<Vote, Malformed> {
        let committed = self.flag()?;
        Ok(Vote {
            leader_id: self.leader_id()?,
            committed,
        })
    }

    /// What is left.
    pub(crate) fn rest(self) -> Bytes {
        self.rest
    }

    /// Checks that nothing is left.
    pub(crate) fn finish(self) -> Result<(), Malformed> {
        if self.rest.is_empty() {
            Ok(())
        } else {
            Err(self.malformed())
        }
    }
}

/// Puts a record together.
pub(crate) trait Write {
    fn put_u8(&mut self, value: u8);
    fn put_slice(&mut self, value: &[u8]);

    fn put_u32(&mut self, value: u32) {
        self.put_slice(&value.to_le_bytes());
    }

    fn put_u64(&mut self, value: u64) {
        self.put_slice(&value.to_le_bytes());
    }

    /// The length of a list or byte string; none here comes near the limit.
    fn put_length(&mut self, length: usize) {
        self.put_u32(u32::try_from(length).expect("messages and records are far below 4 GiB"));
    }

    fn put_bytes(&mut self, value: &[u8]) {
        self.put_length(value.len());
        self.put_slice(value);
    }

    fn put_option<T>(&mut self, value: Option<&T>, put: impl FnOnce(&mut Self, &T)) {
        self.put_u8(value.is_some().into());
        if let Some(value) = value {
            put(self, value);
        }
    }

    fn put_leader_id(&mut self, leader: &LeaderId) {
        self.put_u64(leader.term);
        self.put_u64(leader.node_id);
    }

    fn put_log_id(&mut self, log_id: &LogId) {
        self.put_leader_id(log_id.committed_leader_id());
        self.put_u64(log_id.index());
    }

    fn put_vote(&mut self, vote: &Vote) {
        self.put_u8(vote.committed.into());
        self.put_leader_id(&vote.leader_id);
    }
}

impl Write for Vec<u8> {
    fn put_u8(&mut self, value: u8) {
        self.push(value);
    }

    fn put_slice(&mut self, value: &[u8]) {
        self.extend_from_slice(value);
    }
}
