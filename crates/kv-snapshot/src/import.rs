use std::num::NonZeroU64;

use kv_machine::{Import, Machine};
use kv_mvcc::EtcdEntry;
use kv_types::{LeaseId, Revision};
use prost::Message;

use crate::error::SnapshotFileError;
use crate::file::SnapshotFile;
use crate::records::{LeaseRecord, read_revision};

/// Raises the revision above that of the snapshot and marks it as compacted, so that whoever has seen later revisions
/// than the snapshot's does not see them again with other content, and watches are told to begin anew.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RevisionBump(pub NonZeroU64);

/// What was taken over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Imported {
    /// The revision the new store is at.
    pub revision: Revision,
    /// Its last compaction.
    pub compacted: Option<Revision>,
    /// How many rows it has.
    pub rows: u64,
}

impl SnapshotFile {
    /// The leases with their granted time to live in seconds: a new leader gives them all of it again.
    ///
    /// # Errors
    /// [`SnapshotFileError`] if the bucket is damaged.
    pub fn leases(&self) -> Result<Vec<(LeaseId, i64)>, SnapshotFileError> {
        let mut cursor = self.bucket("lease")?;
        let mut leases = Vec::new();
        while let Some((key, value)) = cursor.next().map_err(|error| self.damaged(error))? {
            leases.push(read_lease(key, value).map_err(|reason| SnapshotFileError::Entry {
                bucket: "lease",
                key: key.to_vec(),
                reason,
            })?);
        }
        Ok(leases)
    }

    /// Takes all rows over into a new store, and completes it.
    ///
    /// # Errors
    /// [`SnapshotFileError`]; the store is of no use then.
    pub fn import(
        &self,
        mut into: Import,
        bump: Option<RevisionBump>,
    ) -> Result<(Machine, Imported), SnapshotFileError> {
        let mut cursor = self.bucket("key")?;
        let mut last = Revision::INITIAL;
        let mut rows = 0;
        while let Some((key, value)) = cursor.next().map_err(|error| self.damaged(error))? {
            let entry = EtcdEntry::decode(key, value).map_err(|reason| SnapshotFileError::Entry {
                bucket: "key",
                key: key.to_vec(),
                reason,
            })?;
            last = match entry {
                EtcdEntry::Row(row) => {
                    let revision = row.revision.main;
                    into.row(row)?;
                    rows += 1;
                    revision
                }
                EtcdEntry::Revision(revision) => revision,
            };
        }
        let compacted = self.compacted()?;
        let (revision, compacted) = match bump {
            None => (last.max(compacted.unwrap_or(last)), compacted),
            Some(bump) => raise(last, bump).map(|raised| (raised, Some(raised)))?,
        };
        let imported = Imported {
            revision,
            compacted,
            rows,
        };
        Ok((into.finish(revision, compacted)?, imported))
    }

    /// The last compaction that was begun.
    fn compacted(&self) -> Result<Option<Revision>, SnapshotFileError> {
        let mut compacted = None;
        for name in [&b"scheduledCompactRev"[..], b"finishedCompactRev"] {
            let Some(bytes) = read(self, "meta", name)? else {
                continue;
            };
            let revision = read_revision(&bytes).ok_or_else(|| SnapshotFileError::Entry {
                bucket: "meta",
                key: name.to_vec(),
                reason: "it is no revision".into(),
            })?;
            compacted = compacted.max(Some(revision));
        }
        Ok(compacted)
    }
}

fn raise(last: Revision, bump: RevisionBump) -> Result<Revision, SnapshotFileError> {
    let by = bump.0.get();
    let raised = last.get().checked_add_unsigned(by);
    let raised = raised.filter(|raised| *raised < i64::MAX);
    raised
        .map(Revision::new)
        .ok_or(SnapshotFileError::RevisionTooLarge {
            revision: last.get(),
            by,
        })
}

fn read_lease(key: &[u8], value: &[u8]) -> Result<(LeaseId, i64), String> {
    let id = key.try_into().map(i64::from_be_bytes);
    let id = id.map_err(|_| "its key is no ID of a lease".to_owned())?;
    let record = LeaseRecord::decode(value).map_err(|error| error.to_string())?;
    match LeaseId::from_wire(id).filter(|_| record.id == id && record.ttl > 0) {
        Some(lease) => Ok((lease, record.ttl)),
        None => Err(format!("lease {} of {} seconds", record.id, record.ttl)),
    }
}

/// The value of one key of a bucket.
fn read(
    file: &SnapshotFile,
    bucket: &'static str,
    name: &[u8],
) -> Result<Option<Vec<u8>>, SnapshotFileError> {
    let mut cursor = file.bucket(bucket)?;
    while let Some((key, value)) = cursor.next().map_err(|error| file.damaged(error))? {
        if key == name {
            return Ok(Some(value.to_vec()));
        }
    }
    Ok(None)
}

pub(crate) fn read_text(
    file: &SnapshotFile,
    bucket: &'static str,
    name: &[u8],
) -> Result<Option<String>, SnapshotFileError> {
    let bytes = read(file, bucket, name)?;
    Ok(bytes.map(|bytes| String::from_utf8_lossy(&bytes).into_owned()))
}
