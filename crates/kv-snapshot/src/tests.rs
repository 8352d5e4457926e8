//! Files of a real etcd, and states that come back.

use std::io::{Seek, SeekFrom, Write};
use std::num::NonZeroU64;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use kv_backend::{BackendHome, MemoryHome};
use kv_machine::{Alarm, AlarmKind, Frozen, Import, Machine, Member, RestoredState};
use kv_mvcc::StoreOptions;
use kv_types::{LogId, LogIndex, MemberId, Revision, Term};
use sha2::{Digest as _, Sha256};
use tempfile::NamedTempFile;

use super::*;

/// An image of a real etcd 3.7.3: 8 keys at revision 31, compacted at 12.
const ETCD: &[u8] = include_bytes!("../../kv-bbolt/fixtures/etcd-3.7.db");

/// What that etcd answered to HashKV, and etcdutl to `snapshot status`.
const ETCD_HASH_KV: u32 = 1_424_132_615;
const ETCD_STATUS_HASH: u32 = 223_727_747;

const VERSIONS: Versions<'_> = Versions {
    cluster: "3.6.0",
    storage: "3.6.0",
};

fn with_digest(image: &[u8]) -> Vec<u8> {
    [image, &Sha256::digest(image)].concat()
}

fn file(bytes: &[u8]) -> NamedTempFile {
    let mut file = NamedTempFile::new().unwrap();
    file.write_all(bytes).unwrap();
    file
}

fn import(path: &Path, bump: Option<u64>) -> Result<(Machine, Imported), SnapshotFileError> {
    let file = SnapshotFile::open(path, Digest::Required)?;
    let member = Member {
        id: MemberId::new(7),
        name: "a".into(),
        peer_urls: vec!["http://a:2380".into()],
        client_urls: Vec::new(),
        learner: false,
    };
    let state = RestoredState {
        applied: LogId {
            term: Term::new(1),
            leader: member.id,
            index: LogIndex::new(1),
        },
        membership: Bytes::from_static(b"membership"),
        members: vec![member],
        leases: file.leases()?,
    };
    let backend = MemoryHome::default().open().unwrap();
    let into = Import::begin(Arc::clone(&backend), StoreOptions::default(), state)?;
    file.import(into, bump.and_then(NonZeroU64::new).map(RevisionBump))
}

#[test]
fn a_real_snapshot_has_the_hashes_that_etcd_says() {
    let file = file(&with_digest(ETCD));
    let status = SnapshotFile::open(file.path(), Digest::Required)
        .and_then(|file| file.status())
        .unwrap();
    let expected = FileStatus {
        hash: ETCD_STATUS_HASH,
        revision: Revision::new(31),
        total_keys: 8,
        total_bytes: 49_152,
        version: "3.7.0".into(),
    };
    assert_eq!(status, expected);
    let (machine, imported) = import(file.path(), None).unwrap();
    assert_eq!(
        (imported.revision.get(), imported.compacted),
        (31, Some(Revision::new(12)))
    );
    let hash = machine.view().hash_kv(None).unwrap();
    assert_eq!(
        (hash.hash, hash.compact_revision.get(), hash.hash_revision.get()),
        (ETCD_HASH_KV, 12, 31)
    );
    assert_eq!(machine.lessor().len(), 1);
    let (lease, ttl) = machine.lessor().iter().next().unwrap();
    assert_eq!(ttl, 1000);
    let keys: Vec<_> = machine.lessor().keys(lease).into_iter().flatten().collect();
    assert_eq!(keys, ["leased"]);
}

fn write(frozen: &Frozen) -> NamedTempFile {
    let (mut file, length) = write_image(frozen, VERSIONS, NamedTempFile::new().unwrap()).unwrap();
    let image = std::fs::read(file.path()).unwrap();
    assert_eq!(image.len() as u64, length);
    file.seek(SeekFrom::End(0)).unwrap();
    file.write_all(&Sha256::digest(&image)).unwrap();
    file
}

#[test]
fn a_state_that_is_written_and_read_is_the_same() {
    let (machine, _) = import(file(&with_digest(ETCD)).path(), None).unwrap();
    let mut frozen = machine.freeze();
    let member = MemberId::new(7);
    for kind in [AlarmKind::Corrupt, AlarmKind::NoSpace] {
        frozen.alarms.push(Alarm { kind, member });
    }
    frozen.downgrade = Some("3.5.0".into());
    let written = write(&frozen);
    let status = SnapshotFile::open(written.path(), Digest::Required)
        .and_then(|file| file.status())
        .unwrap();
    assert_eq!((status.revision.get(), status.total_keys), (31, 8));
    let (again, _) = import(written.path(), None).unwrap();
    let (before, after) = (machine.view(), again.view());
    assert_eq!(before.hash_kv(None).unwrap(), after.hash_kv(None).unwrap());
    assert_eq!(machine.freeze().leases, again.freeze().leases);
    assert_eq!(
        hash(&machine.freeze(), VERSIONS).unwrap(),
        hash(&again.freeze(), VERSIONS).unwrap()
    );
}

#[test]
fn a_raised_revision_is_compacted_and_survives_another_snapshot() {
    let (machine, imported) = import(file(&with_digest(ETCD)).path(), Some(1000)).unwrap();
    let raised = Revision::new(1031);
    assert_eq!((imported.revision, imported.compacted), (raised, Some(raised)));
    let (again, imported) = import(write(&machine.freeze()).path(), None).unwrap();
    assert_eq!((imported.revision, imported.compacted), (raised, Some(raised)));
    let (before, after) = (machine.view(), again.view());
    assert_eq!(before.hash_kv(None).unwrap(), after.hash_kv(None).unwrap());
    let too_much = import(file(&with_digest(ETCD)).path(), Some(i64::MAX.cast_unsigned()));
    assert!(matches!(
        too_much,
        Err(SnapshotFileError::RevisionTooLarge { .. })
    ));
}

fn refusal(bytes: &[u8]) -> String {
    import(file(bytes).path(), None)
        .map(|_| ())
        .unwrap_err()
        .to_string()
}

#[test]
fn what_is_wrong_with_a_file_is_said() {
    let good = with_digest(ETCD);
    let mut flipped = good.clone();
    flipped[20_000] ^= 1;
    for (bytes, words) in [
        (&good[..good.len() - 1], "snapshot missing hash"),
        (&good[..good.len() / 2], "it is truncated"),
        (ETCD, "snapshot missing hash"),
        (&flipped, "expected sha256"),
        (b"hello", "this is no bbolt database"),
        (b"", "this is no bbolt database"),
    ] {
        let said = refusal(bytes);
        assert!(said.contains(words), "{said} instead of {words}");
    }
    let mut other = kv_bbolt::Writer::new(std::io::Cursor::new(Vec::new())).unwrap();
    other.begin_bucket(b"widgets").unwrap();
    let (other, _) = other.finish().unwrap();
    let said = refusal(&with_digest(other.get_ref()));
    assert!(said.contains("no snapshot"), "{said}");
}

#[test]
fn a_file_that_was_changed_together_with_its_digest_is_refused_or_read_but_never_more() {
    for at in (8192..ETCD.len()).step_by(97) {
        let mut image = ETCD.to_vec();
        image[at] ^= 0x15;
        let _ = import(file(&with_digest(&image)).path(), None);
    }
}
