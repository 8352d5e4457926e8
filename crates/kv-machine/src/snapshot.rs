//! The whole state as frames: the first holds everything but the rows, each further one a chunk of rows.
//!
//! The first frame is the state record, the leases (list of ID and time to live, signed), then the current and
//! the last compacted revision (signed; −1 for none), then the record of upkeep and the auth
//! state (bytes).

use std::sync::Arc;

use bytes::Bytes;
use kv_auth::AuthStore;
use kv_backend::Backend;
use kv_mvcc::{ReadError, Store, StoreOptions, View};
use kv_types::{LeaseId, LogId, Revision, RowRevision};

use crate::auth_records;
use crate::checkpoint::Checkpoint;
use crate::codec::{CodecError, Reader, Write};
use crate::error::MachineError;
use crate::import::{Import, lessor_of};
use crate::machine::Machine;
use crate::records;
use crate::upkeep::Upkeep;

/// The state after one log entry, held for as long as someone reads it: rows and blocks it refers to stay.
///
/// The same frame number always gives the same bytes, so a transfer can go on where it stopped.
#[derive(Clone)]
pub struct Snapshot {
    applied: Option<LogId>,
    membership: Bytes,
    header: Bytes,
    view: View,
    starts: Arc<[RowRevision]>,
}

impl Snapshot {
    /// The state a checkpoint holds.
    pub fn of(checkpoint: &Checkpoint) -> Self {
        Self {
            applied: checkpoint.applied,
            membership: checkpoint.header.membership.clone(),
            header: checkpoint.header.encoded.clone(),
            view: checkpoint.view.clone(),
            starts: checkpoint.view.chunk_starts().into(),
        }
    }

    /// The state of a machine that has applied nothing since it was opened, so that the backend holds all of it.
    pub fn of_opened(machine: &Machine) -> Self {
        let Header { encoded, membership } = Header::of(machine);
        let view = machine.view();
        Self {
            applied: machine.applied,
            membership,
            header: encoded,
            starts: view.chunk_starts().into(),
            view,
        }
    }

    /// The last entry in it.
    pub fn applied(&self) -> Option<LogId> {
        self.applied
    }

    /// The Raft membership in it, as Raft encoded it.
    pub fn membership(&self) -> Bytes {
        self.membership.clone()
    }

    /// How many frames there are.
    pub fn frames(&self) -> u64 {
        1 + self.starts.len() as u64
    }

    /// The frame of this number; nothing behind the last.
    ///
    /// # Errors
    /// [`ReadError`] if rows cannot be read.
    pub fn frame(&self, number: u64) -> Result<Option<Bytes>, ReadError> {
        let Some(chunk) = number.checked_sub(1) else {
            return Ok(Some(self.header.clone()));
        };
        let chunk = usize::try_from(chunk).unwrap_or(usize::MAX);
        let Some(start) = self.starts.get(chunk) else {
            return Ok(None);
        };
        let end = chunk
            .checked_add(1)
            .and_then(|next| self.starts.get(next))
            .copied();
        self.view.chunk(*start, end).map(Some)
    }
}

/// What a checkpoint keeps for a snapshot of itself.
pub(crate) struct Header {
    encoded: Bytes,
    membership: Bytes,
}

impl Header {
    pub(crate) fn of(machine: &Machine) -> Self {
        let mut buffer = Vec::new();
        buffer.bytes(&records::encode_state(machine.applied, &machine.cluster));
        let leases: Vec<_> = machine.lessor.iter().collect();
        buffer.unsigned(leases.len() as u64);
        for (id, ttl) in leases {
            buffer.signed(id.get());
            buffer.signed(ttl);
        }
        let view = machine.store.view();
        buffer.signed(view.revision().get());
        buffer.signed(view.compacted().map_or(NEVER, Revision::get));
        buffer.bytes(&machine.upkeep.encode());
        buffer.bytes(&auth_records::encode_auth(&machine.auth));
        Self {
            encoded: buffer.into(),
            membership: machine.cluster.membership(),
        }
    }
}

/// A snapshot on its way into an empty backend.
pub struct SnapshotInstall {
    import: Import,
    current: Revision,
    compacted: Option<Revision>,
}

impl SnapshotInstall {
    /// Begins with the first frame.
    ///
    /// # Errors
    /// [`MachineError`] if the frame is none, or of a newer version, or the backend cannot be used.
    pub fn begin(
        backend: Arc<dyn Backend>,
        options: StoreOptions,
        header: &[u8],
    ) -> Result<Self, MachineError> {
        let mut reader = Reader::new(header);
        let damaged = |source| MachineError::Record {
            record: "snapshot header",
            source,
        };
        let state = records::decode_state(reader.slice().map_err(damaged)?)?;
        let mut read = || -> Result<_, CodecError> {
            let leases = reader.list(|reader| Ok((LeaseId::new(reader.signed()?), reader.signed()?)))?;
            let (current, compacted) = (reader.signed()?, reader.signed()?);
            Ok((
                leases,
                current,
                compacted,
                Upkeep::decode(reader.slice()?)?,
                auth_records::decode_auth(reader.slice()?)?,
            ))
        };
        let (leases, current, compacted, upkeep, auth) = read().map_err(damaged)?;
        reader.finish().map_err(damaged)?;
        let lessor = lessor_of(leases)?;
        let store = Store::open(Arc::clone(&backend), options)?;
        let machine = Machine {
            store,
            lessor,
            cluster: state.cluster,
            upkeep,
            auth: Arc::new(auth),
            // The backend is empty.
            auth_recorded: Arc::new(AuthStore::default()),
            applied: state.applied,
            backend,
        };
        Ok(Self {
            import: Import::of(machine),
            current: Revision::new(current),
            compacted: (compacted != NEVER).then(|| Revision::new(compacted)),
        })
    }

    /// Takes a further frame, in order. Memory stays bounded: what has gathered is written now and then.
    ///
    /// # Errors
    /// [`MachineError`] if the frame is damaged or the backend cannot be written.
    pub fn frame(&mut self, chunk: &Bytes) -> Result<(), MachineError> {
        self.import.chunk(chunk)
    }

    /// Ends with everything durable in the backend.
    ///
    /// # Errors
    /// As [`SnapshotInstall::frame`].
    pub fn finish(self) -> Result<Machine, MachineError> {
        self.import.finish(self.current, self.compacted)
    }
}

/// Stands for "never compacted".
const NEVER: i64 = -1;
