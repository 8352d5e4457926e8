use std::io::{Seek, Write};

use kv_bbolt::{WriteError, Writer};
use kv_machine::Frozen;
use kv_mvcc::ReadError;
use kv_types::{LogIndex, Revision, Term};
use prost::Message;
use thiserror::Error;

use crate::records::{LeaseRecord, alarm_key, conf_state, downgrade_value, member_value, revision};

/// etcd's first revision of users and roles.
const FIRST_AUTH_REVISION: u64 = 1;

/// Takes buckets and keys in ascending order.
pub trait Sink {
    /// Why it took no more.
    type Error;

    /// Begins a bucket.
    ///
    /// # Errors
    /// The sink's own.
    fn begin_bucket(&mut self, name: &str) -> Result<(), Self::Error>;

    /// Adds a key to the bucket.
    ///
    /// # Errors
    /// The sink's own.
    fn put(&mut self, key: &[u8], value: &[u8]) -> Result<(), Self::Error>;
}

impl<W: Write + Seek> Sink for Writer<W> {
    type Error = WriteError;

    fn begin_bucket(&mut self, name: &str) -> Result<(), WriteError> {
        Writer::begin_bucket(self, name.as_bytes())
    }

    fn put(&mut self, key: &[u8], value: &[u8]) -> Result<(), WriteError> {
        Writer::put(self, key, value)
    }
}

/// What is said of versions, as `x.y.z`.
#[derive(Clone, Copy, Debug)]
pub struct Versions<'a> {
    /// Of the cluster.
    pub cluster: &'a str,
    /// Of the format.
    pub storage: &'a str,
}

/// Why a state could not be exported.
#[derive(Debug, Error)]
pub enum ExportError<E> {
    /// A row could not be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// A record has no JSON form.
    #[error("encode a record: {0}")]
    Json(#[from] serde_json::Error),
    /// The sink took no more.
    #[error("{0}")]
    Sink(E),
}

/// Writes the state as an image; what it was written to, and the image's length. Nothing is synced.
///
/// # Errors
/// [`ExportError`].
pub fn write_image<W: Write + Seek>(
    frozen: &Frozen,
    versions: Versions<'_>,
    out: W,
) -> Result<(W, u64), ExportError<WriteError>> {
    let mut writer = Writer::new(out).map_err(ExportError::Sink)?;
    export(frozen, versions, &mut writer)?;
    writer.finish().map_err(ExportError::Sink)
}

/// Gives the state as etcd's buckets. Memory: that of the keys of the small buckets.
///
/// # Errors
/// [`ExportError`].
pub fn export<S: Sink>(
    frozen: &Frozen,
    versions: Versions<'_>,
    sink: &mut S,
) -> Result<(), ExportError<S::Error>> {
    let alarms = frozen.alarms.iter().map(|alarm| (alarm_key(alarm), Vec::new()));
    small_bucket(sink, "alarm", alarms.collect())?;
    let auth_revision = (
        b"authRevision".to_vec(),
        FIRST_AUTH_REVISION.to_be_bytes().to_vec(),
    );
    small_bucket(sink, "auth", vec![auth_revision])?;
    small_bucket(sink, "authRoles", Vec::new())?;
    small_bucket(sink, "authUsers", Vec::new())?;
    small_bucket(sink, "cluster", cluster(frozen, versions)?)?;
    rows(frozen, sink)?;
    let leases = frozen.leases.iter().map(|(id, ttl)| {
        let key = id.get().to_be_bytes().to_vec();
        (key, LeaseRecord::new(*id, *ttl).encode_to_vec())
    });
    small_bucket(sink, "lease", leases.collect())?;
    let members = frozen.members.iter().map(|member| {
        let key = member.id.to_string().into_bytes();
        member_value(member).map(|value| (key, value))
    });
    small_bucket(sink, "members", members.collect::<Result<_, _>>()?)?;
    small_bucket(sink, "members_removed", Vec::new())?;
    small_bucket(sink, "meta", meta(frozen, versions)?)
}

type Pairs = Vec<(Vec<u8>, Vec<u8>)>;

fn small_bucket<S: Sink>(sink: &mut S, name: &str, mut pairs: Pairs) -> Result<(), ExportError<S::Error>> {
    pairs.sort_unstable();
    sink.begin_bucket(name).map_err(ExportError::Sink)?;
    for (key, value) in pairs {
        sink.put(&key, &value).map_err(ExportError::Sink)?;
    }
    Ok(())
}

fn cluster(frozen: &Frozen, versions: Versions<'_>) -> serde_json::Result<Pairs> {
    let mut pairs = vec![(b"clusterVersion".to_vec(), versions.cluster.as_bytes().to_vec())];
    if let Some(target) = &frozen.downgrade {
        pairs.push((b"downgrade".to_vec(), downgrade_value(target)?));
    }
    Ok(pairs)
}

fn rows<S: Sink>(frozen: &Frozen, sink: &mut S) -> Result<(), ExportError<S::Error>> {
    sink.begin_bucket("key").map_err(ExportError::Sink)?;
    let (mut key, mut value) = (Vec::new(), Vec::new());
    let mut last = Revision::INITIAL;
    for row in frozen.view.rows() {
        let row = row?;
        key.clear();
        value.clear();
        row.write_etcd_key(&mut key);
        row.write_etcd_value(&mut value);
        sink.put(&key, &value).map_err(ExportError::Sink)?;
        last = row.revision.main;
    }
    // A store may be further than its last row: after a restore that raised the revision.
    if frozen.view.revision() > last {
        let key = revision(frozen.view.revision());
        sink.put(&key, &[]).map_err(ExportError::Sink)?;
    }
    Ok(())
}

fn meta(frozen: &Frozen, versions: Versions<'_>) -> serde_json::Result<Pairs> {
    let applied = frozen.applied;
    let index = applied.map_or(0, |applied| LogIndex::get(applied.index));
    let term = applied.map_or(0, |applied| Term::get(applied.term));
    let mut pairs: Pairs = [
        ("confState", conf_state(&frozen.members)?),
        ("consistent_index", index.to_be_bytes().to_vec()),
        ("storageVersion", versions.storage.as_bytes().to_vec()),
        ("term", term.to_be_bytes().to_vec()),
    ]
    .map(|(key, value)| (key.as_bytes().to_vec(), value))
    .into();
    // What is scheduled and not finished etcd does at its next start.
    if let Some(scheduled) = frozen.view.compacted() {
        pairs.push((b"scheduledCompactRev".to_vec(), revision(scheduled)));
    }
    if let Some(finished) = frozen.view.garbage_collected() {
        pairs.push((b"finishedCompactRev".to_vec(), revision(finished)));
    }
    Ok(pairs)
}
