//! The machine's own records in the backend, beside those of the store.
//!
//! | key | value |
//! |---|---|
//! | `m/state` | format (unsigned), applied (flag; term, leader, index as unsigned), cluster |
//! | `m/upkeep` | alarms and downgrade, see `upkeep.rs` |
//! | `m/lease/` + ID (8 bytes, big endian) | time to live in seconds (signed) |

use std::ops::ControlFlow;

use kv_backend::{Backend, Batch};
use kv_lease::Lessor;
use kv_types::{LeaseId, LogId, LogIndex, MemberId, Term};

use crate::cluster::Cluster;
use crate::codec::{CodecError, Reader, Write};
use crate::error::MachineError;
use crate::upkeep::Upkeep;

/// The format written; a later one is refused. Format 1 did not name removed members.
const FORMAT: u64 = 2;
const STATE_KEY: &[u8] = b"m/state";
const UPKEEP_KEY: &[u8] = b"m/upkeep";
const LEASE_PREFIX: &[u8] = b"m/lease/";
/// The first key after all leases.
const LEASE_END: &[u8] = b"m/lease0";

/// The state record.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct State {
    pub(crate) applied: Option<LogId>,
    pub(crate) cluster: Cluster,
}

pub(crate) fn encode_state(applied: Option<LogId>, cluster: &Cluster) -> Vec<u8> {
    let mut buffer = Vec::new();
    buffer.unsigned(FORMAT);
    write_log_id(&mut buffer, applied);
    cluster.encode(&mut buffer);
    buffer
}

pub(crate) fn decode_state(bytes: &[u8]) -> Result<State, MachineError> {
    let mut reader = Reader::new(bytes);
    let damaged = |source| MachineError::Record {
        record: "m/state",
        source,
    };
    let format = reader.unsigned().map_err(damaged)?;
    if format > FORMAT {
        return Err(MachineError::NewerFormat {
            found: format,
            known: FORMAT,
        });
    }
    let mut read = || -> Result<State, CodecError> {
        Ok(State {
            applied: read_log_id(&mut reader)?,
            cluster: Cluster::decode(&mut reader, format >= 2)?,
        })
    };
    let state = read().map_err(damaged)?;
    reader.finish().map_err(damaged)?;
    Ok(state)
}

pub(crate) fn write_log_id(buffer: &mut Vec<u8>, log_id: Option<LogId>) {
    buffer.flag(log_id.is_some());
    if let Some(log_id) = log_id {
        buffer.unsigned(log_id.term.get());
        buffer.unsigned(log_id.leader.get());
        buffer.unsigned(log_id.index.get());
    }
}

pub(crate) fn read_log_id(reader: &mut Reader<'_>) -> Result<Option<LogId>, CodecError> {
    if !reader.flag()? {
        return Ok(None);
    }
    Ok(Some(LogId {
        term: Term::new(reader.unsigned()?),
        leader: MemberId::new(reader.unsigned()?),
        index: LogIndex::new(reader.unsigned()?),
    }))
}

/// The state record as the last flush left it; of an empty backend, the empty state.
pub(crate) fn read_state(backend: &dyn Backend) -> Result<State, MachineError> {
    match backend.get(STATE_KEY)? {
        Some(bytes) => decode_state(&bytes),
        None => Ok(State::default()),
    }
}

pub(crate) fn put_state(batch: &mut Batch, encoded: Vec<u8>) {
    batch.put(STATE_KEY, encoded);
}

/// The record of upkeep as the last flush left it; without one, nothing to be said.
pub(crate) fn read_upkeep(backend: &dyn Backend) -> Result<Upkeep, MachineError> {
    let Some(bytes) = backend.get(UPKEEP_KEY)? else {
        return Ok(Upkeep::default());
    };
    Upkeep::decode(&bytes).map_err(|source| MachineError::Record {
        record: "m/upkeep",
        source,
    })
}

pub(crate) fn put_upkeep(batch: &mut Batch, encoded: Vec<u8>) {
    batch.put(UPKEEP_KEY, encoded);
}

/// All leases as the last flush left them; what is attached to them the store knows.
pub(crate) fn read_leases(backend: &dyn Backend) -> Result<Lessor, MachineError> {
    let mut lessor = Lessor::new();
    let mut damaged = None;
    backend.scan(
        LEASE_PREFIX,
        LEASE_END,
        &mut |key, value| match decode_lease(key, value) {
            Ok((id, ttl)) => {
                lessor.load(id, ttl);
                ControlFlow::Continue(())
            }
            Err(source) => {
                damaged = Some(MachineError::Record {
                    record: "m/lease",
                    source,
                });
                ControlFlow::Break(())
            }
        },
    )?;
    damaged.map_or(Ok(lessor), Err)
}

fn decode_lease(key: &[u8], value: &[u8]) -> Result<(LeaseId, i64), CodecError> {
    let mut reader = Reader::new(value);
    let id = key.strip_prefix(LEASE_PREFIX).and_then(|id| id.try_into().ok());
    let id = id
        .map(i64::from_be_bytes)
        .ok_or_else(|| reader.error("lease key"))?;
    let ttl = reader.signed()?;
    reader.finish()?;
    Ok((LeaseId::new(id), ttl))
}

/// Records a lease, or its end.
pub(crate) fn put_lease(batch: &mut Batch, id: LeaseId, ttl: Option<i64>) {
    let key = [LEASE_PREFIX, &id.get().to_be_bytes()].concat();
    match ttl {
        Some(ttl) => {
            let mut value = Vec::new();
            value.signed(ttl);
            batch.put(key, value);
        }
        None => batch.delete(key),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_newer_format_is_refused_by_number() {
        let mut bytes = encode_state(None, &Cluster::default());
        assert_eq!(decode_state(&bytes).unwrap(), State::default());
        // An earlier one ends before the list of removed members.
        let mut earlier = bytes[..bytes.len() - 1].to_vec();
        earlier[0] = 1;
        assert_eq!(decode_state(&earlier).unwrap(), State::default());
        bytes[0] = 9;
        let error = decode_state(&bytes).unwrap_err().to_string();
        assert!(error.contains("format 9 is newer"), "{error}");
    }

    #[test]
    fn truncated_state_is_damage_not_a_guess() {
        let log_id = LogId {
            term: Term::new(3),
            leader: MemberId::new(7),
            index: LogIndex::new(300),
        };
        let bytes = encode_state(Some(log_id), &Cluster::default());
        assert_eq!(decode_state(&bytes).unwrap().applied, Some(log_id));
        for length in 0..bytes.len() {
            assert!(
                matches!(decode_state(&bytes[..length]), Err(MachineError::Record { .. })),
                "{length}"
            );
        }
    }
}
