//! What the cluster agrees on about its own upkeep: alarms, and a downgrade that is under way.
//!
//! The record is: alarms (list of kind, as etcd numbers it, and member; both unsigned), then the version that the
//! cluster is to be downgraded to (flag, text).

use std::collections::BTreeSet;

use kv_mvcc::{Op, TxnRequest};
use kv_types::MemberId;

use crate::codec::{CodecError, Reader, Write};
use crate::command::Command;
use crate::outcome::Refused;

/// What is wrong, until somebody says that it is not any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum AlarmKind {
    /// A member's quota is used up.
    NoSpace,
    /// A member's data differ from those of the others.
    Corrupt,
}

impl AlarmKind {
    /// etcd's name of it.
    pub fn name(self) -> &'static str {
        match self {
            Self::NoSpace => "NOSPACE",
            Self::Corrupt => "CORRUPT",
        }
    }

    /// etcd's number of it.
    pub fn to_wire(self) -> u64 {
        match self {
            Self::NoSpace => 1,
            Self::Corrupt => 2,
        }
    }

    /// The kind of a number; nothing if it is none.
    pub fn from_wire(number: u64) -> Option<Self> {
        match number {
            1 => Some(Self::NoSpace),
            2 => Some(Self::Corrupt),
            _ => None,
        }
    }
}

/// An alarm that is raised.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Alarm {
    /// What is wrong.
    pub kind: AlarmKind,
    /// Where.
    pub member: MemberId,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Upkeep {
    alarms: BTreeSet<Alarm>,
    downgrade: Option<String>,
}

impl Upkeep {
    pub(crate) fn alarms(&self) -> impl ExactSizeIterator<Item = Alarm> + '_ {
        self.alarms.iter().copied()
    }

    pub(crate) fn downgrade(&self) -> Option<&str> {
        self.downgrade.as_deref()
    }

    pub(crate) fn set_downgrade(&mut self, target: Option<String>) {
        self.downgrade = target;
    }

    pub(crate) fn raise(&mut self, alarm: Alarm) {
        self.alarms.insert(alarm);
    }

    /// Whether it was raised.
    pub(crate) fn disarm(&mut self, alarm: Alarm) -> bool {
        self.alarms.remove(&alarm)
    }

    /// Why a command must not be carried out while the alarms stand.
    pub(crate) fn refuses(&self, command: &Command) -> Option<Refused> {
        if self.alarms.is_empty() {
            return None;
        }
        let is_raised = |kind| self.alarms.iter().any(|alarm| alarm.kind == kind);
        match command {
            Command::Put(_) | Command::LeaseGrant { .. } if is_raised(AlarmKind::Corrupt) => {
                Some(Refused::Corrupt)
            }
            Command::Put(_) | Command::LeaseGrant { .. } => Some(Refused::NoSpace),
            Command::Txn(_)
            | Command::Delete(_)
            | Command::Compact(_)
            | Command::LeaseRevoke(_)
            | Command::LeaseExpire { .. }
                if is_raised(AlarmKind::Corrupt) =>
            {
                Some(Refused::Corrupt)
            }
            Command::Txn(request) if puts(request) => Some(Refused::NoSpace),
            _ => None,
        }
    }

    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut buffer = Vec::new();
        buffer.unsigned(self.alarms.len() as u64);
        for Alarm { kind, member } in &self.alarms {
            buffer.unsigned(kind.to_wire());
            buffer.unsigned(member.get());
        }
        buffer.flag(self.downgrade.is_some());
        if let Some(target) = &self.downgrade {
            buffer.bytes(target.as_bytes());
        }
        buffer
    }

    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, CodecError> {
        let mut reader = Reader::new(bytes);
        let alarms = reader.list(Alarm::decode)?;
        let downgrade = reader.flag()?.then(|| reader.text()).transpose()?;
        reader.finish()?;
        Ok(Self {
            alarms: alarms.into_iter().collect(),
            downgrade,
        })
    }
}

impl Alarm {
    pub(crate) fn encode(self, buffer: &mut Vec<u8>) {
        buffer.unsigned(self.kind.to_wire());
        buffer.unsigned(self.member.get());
    }

    pub(crate) fn decode(reader: &mut Reader<'_>) -> Result<Self, CodecError> {
        let kind = AlarmKind::from_wire(reader.unsigned()?).ok_or_else(|| reader.error("alarm"))?;
        let member = MemberId::new(reader.unsigned()?);
        Ok(Self { kind, member })
    }
}

/// Whether a branch of a transaction puts anything.
fn puts(request: &TxnRequest) -> bool {
    let mut ops = request.success.iter().chain(&request.failure);
    ops.any(|op| match op {
        Op::Put(_) => true,
        Op::Txn(request) => puts(request),
        Op::Range(_) | Op::Delete(_) => false,
    })
}

#[cfg(test)]
mod tests {
    use kv_mvcc::{DeleteRequest, PutLease, PutRequest, PutValue};
    use kv_types::{KeyRange, LeaseId, Revision};

    use super::*;

    fn raised(kind: AlarmKind) -> Upkeep {
        let mut upkeep = Upkeep::default();
        let member = MemberId::new(7);
        upkeep.raise(Alarm { kind, member });
        upkeep
    }

    #[test]
    fn each_alarm_refuses_what_etcds_does() {
        let put = PutRequest {
            key: "k".into(),
            value: PutValue::New("v".into()),
            lease: PutLease::Set(None),
            prev_kv: false,
        };
        let delete = DeleteRequest {
            range: KeyRange::all(),
            prev_kv: false,
        };
        let txn = |op| {
            let nested = TxnRequest {
                failure: vec![op],
                ..TxnRequest::default()
            };
            Command::Txn(TxnRequest {
                success: vec![Op::Txn(nested.into())],
                ..TxnRequest::default()
            })
        };
        let grant = Command::LeaseGrant {
            id: LeaseId::new(1),
            ttl_seconds: 9,
        };
        let cases = [
            (Command::Put(put.clone()), true),
            (txn(Op::Put(put)), true),
            (grant, true),
            (Command::Delete(delete.clone()), false),
            (txn(Op::Delete(delete)), false),
            (Command::Compact(Revision::new(3)), false),
            (Command::LeaseRevoke(LeaseId::new(1)), false),
        ];
        for (command, grows) in cases {
            assert_eq!(Upkeep::default().refuses(&command), None);
            let full = raised(AlarmKind::NoSpace).refuses(&command);
            assert_eq!(full, grows.then_some(Refused::NoSpace), "{command:?}");
            let corrupt = raised(AlarmKind::Corrupt).refuses(&command);
            assert_eq!(corrupt, Some(Refused::Corrupt), "{command:?}");
        }
    }

    #[test]
    fn the_record_reads_back_and_cut_ones_are_damage() {
        let mut upkeep = raised(AlarmKind::Corrupt);
        upkeep.set_downgrade(Some("3.5.0".into()));
        let bytes = upkeep.encode();
        assert_eq!(Upkeep::decode(&bytes), Ok(upkeep));
        for length in 0..bytes.len() {
            Upkeep::decode(&bytes[..length]).unwrap_err();
        }
    }
}
