//! Makes the data directory of a new member from a snapshot.

use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};

use kv_backend::{BackendHome, SledHome};
use kv_config::{Config, ConfigError, InitialMember, Options};
use kv_machine::{Import, Member, RestoredState};
use kv_mvcc::StoreOptions;
use kv_raft::{RaftMember, RestoredStart};
use kv_snapshot::{Digest, Imported, RevisionBump, SnapshotFile, SnapshotFileError};
use thiserror::Error;

use crate::StartError;
use crate::data_dir::{DataDir, Identity, sync_dir};

/// What to restore, and as whom.
#[derive(Clone, Debug)]
pub struct RestoreOptions {
    /// The snapshot.
    pub snapshot: PathBuf,
    /// Whether it must have a digest that fits.
    pub digest: Digest,
    /// Raises the revision.
    pub bump: Option<RevisionBump>,
    /// The new member: name, data directory, advertised peer URLs, initial cluster and its token.
    pub member: Options,
}

/// Why no data directory was made. Nothing is left behind.
#[derive(Debug, Error)]
pub enum RestoreError {
    /// The new member is not described well.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The snapshot is not to be used.
    #[error(transparent)]
    Snapshot(#[from] SnapshotFileError),
    /// There is something already where the data directory is to be.
    #[error("data-dir {0:?} not empty or could not be read")]
    NotEmpty(PathBuf),
    /// The directory could not be made.
    #[error(transparent)]
    Directory(#[from] StartError),
    /// The store could not be made.
    #[error(transparent)]
    Store(#[from] kv_backend::OpenError),
    /// The log could not be made.
    #[error("make the log: {0}")]
    Log(io::Error),
}

/// Makes the data directory that a member of a new cluster starts from. Each member makes its own, from the same
/// snapshot and with the same initial cluster.
///
/// The directory appears as a whole at the end, in place of nothing or of an empty one. Memory is bounded, whatever
/// the size of the snapshot. Blocks.
///
/// # Errors
/// [`RestoreError`].
pub fn restore(options: &RestoreOptions) -> Result<Imported, RestoreError> {
    let config = Config::from_options(&options.member)?;
    let target = &config.data_dir;
    check_empty(target)?;
    let snapshot = SnapshotFile::open(&options.snapshot, options.digest)?;
    snapshot.check()?;
    let parent = match target.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    let at = |attempt| move |source| StartError::io(attempt, parent)(source);
    std::fs::create_dir_all(parent).map_err(at("create directory"))?;
    let unfinished = tempfile::Builder::new()
        .prefix(&unfinished_name(target))
        .tempdir_in(parent)
        .map_err(at("create a directory in"))?;
    let imported = fill(unfinished.path(), &config, &snapshot, options.bump)?;
    std::fs::rename(unfinished.path(), target).map_err(|error| match error.kind() {
        io::ErrorKind::DirectoryNotEmpty | io::ErrorKind::NotADirectory => {
            RestoreError::NotEmpty(target.clone())
        }
        _ => StartError::io("create directory", target)(error).into(),
    })?;
    // There is nothing under its name any more that could be removed.
    let _ = unfinished.keep();
    sync_dir(parent)?;
    Ok(imported)
}

fn check_empty(target: &Path) -> Result<(), RestoreError> {
    let is_empty = match std::fs::read_dir(target) {
        Ok(mut entries) => entries.next().is_none(),
        Err(error) => error.kind() == io::ErrorKind::NotFound,
    };
    if is_empty {
        Ok(())
    } else {
        Err(RestoreError::NotEmpty(target.to_owned()))
    }
}

/// A name that says what a directory was to become, should the process be killed.
fn unfinished_name(target: &Path) -> OsString {
    let mut name = OsString::from(".");
    name.push(target.file_name().unwrap_or_default());
    name.push(".restoring-");
    name
}

fn fill(
    dir: &Path,
    config: &Config,
    snapshot: &SnapshotFile,
    bump: Option<RevisionBump>,
) -> Result<Imported, RestoreError> {
    let data_dir = DataDir::open(dir)?;
    let members = &config.initial_cluster.members;
    let raft_members: Vec<RaftMember> = members.iter().map(crate::member::raft_member).collect();
    let start = RestoredStart::new(&raft_members).map_err(RestoreError::Log)?;
    let state = RestoredState {
        applied: start.log_id,
        membership: start.membership.clone(),
        members: members.iter().map(member).collect(),
        leases: snapshot.leases()?,
        auth: snapshot.auth()?,
    };
    let backend = SledHome::new(data_dir.db()).open()?;
    let import = Import::begin(backend, StoreOptions::default(), state).map_err(SnapshotFileError::Store)?;
    let (_machine, imported) = snapshot.import(import, bump)?;
    begin_log(&data_dir.wal(), &start)?;
    data_dir.set_identity(Identity {
        member: config.member_id(),
        cluster: config.cluster_id(),
        joined: false,
    })?;
    Ok(imported)
}

fn begin_log(dir: &Path, start: &RestoredStart) -> Result<(), RestoreError> {
    let options = kv_wal::Options {
        create: true,
        ..kv_wal::Options::default()
    };
    let (wal, _) = kv_wal::Wal::open(dir, options).map_err(|source| StartError::Log {
        dir: dir.to_owned(),
        source,
    })?;
    start.begin_log(&wal).map_err(RestoreError::Log)?;
    wal.close().map_err(io::Error::other).map_err(RestoreError::Log)
}

fn member(member: &InitialMember) -> Member {
    Member {
        id: member.id,
        name: member.name.clone(),
        peer_urls: member.peer_urls.iter().map(ToString::to_string).collect(),
        client_urls: Vec::new(),
        learner: false,
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU64;

    use kv_mvcc::RangeRequest;
    use kv_types::{KeyRange, Revision};
    use tempfile::TempDir;

    use super::*;
    use crate::Member;

    const ETCD: &[u8] = include_bytes!("../../kv-bbolt/fixtures/etcd-3.7.db");

    fn options(dir: &TempDir, name: &str, ports: &[(&str, [u16; 2])]) -> Options {
        let url = |port: u16| format!("http://127.0.0.1:{port}");
        let cluster = ports
            .iter()
            .map(|(name, [_, peer])| format!("{name}={}", url(*peer)));
        let [client, peer] = ports.iter().find(|(known, _)| *known == name).unwrap().1;
        Options {
            name: name.into(),
            data_dir: Some(dir.path().join(name).display().to_string()),
            listen_client_urls: Some(url(client)),
            advertise_client_urls: Some(url(client)),
            listen_peer_urls: url(peer),
            initial_advertise_peer_urls: url(peer),
            initial_cluster: Some(cluster.collect::<Vec<_>>().join(",")),
            ..Options::default()
        }
    }

    /// Ports that nobody listens on now.
    fn ports<'a>(names: &[&'a str]) -> Vec<(&'a str, [u16; 2])> {
        let listen = || std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let listeners: Vec<_> = names.iter().map(|_| [listen(), listen()]).collect();
        let port = |listener: &std::net::TcpListener| listener.local_addr().unwrap().port();
        let pairs = listeners.iter().map(|[a, b]| [port(a), port(b)]);
        names.iter().copied().zip(pairs).collect()
    }

    fn restore_options(dir: &TempDir, member: &Options, bump: Option<u64>) -> RestoreOptions {
        let snapshot = dir.path().join("snapshot.db");
        std::fs::write(&snapshot, ETCD).unwrap();
        RestoreOptions {
            snapshot,
            digest: Digest::Skipped,
            bump: bump.and_then(NonZeroU64::new).map(RevisionBump),
            member: member.clone(),
        }
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn three_members_start_from_one_snapshot_with_the_hash_that_etcd_had() {
        let dir = tempfile::tempdir().unwrap();
        let names = ["a", "b", "c"];
        let ports = ports(&names);
        let mut starting = Vec::new();
        for name in names {
            let member = options(&dir, name, &ports);
            let restoring = restore_options(&dir, &member, None);
            let imported = tokio::task::spawn_blocking(move || restore(&restoring))
                .await
                .unwrap();
            assert_eq!(imported.unwrap().revision, Revision::new(31));
            let config = Config::from_options(&member).unwrap();
            starting.push(tokio::spawn(Member::start(config)));
        }
        let mut members = Vec::new();
        for member in starting {
            members.push(member.await.unwrap().unwrap());
        }
        for member in &members {
            let server = member.server();
            let keys = server
                .range(RangeRequest::new(KeyRange::all()), false)
                .await
                .unwrap();
            assert_eq!((keys.count, keys.revision), (8, Revision::new(31)));
            let hash = server.hash_kv(None).await.unwrap();
            assert_eq!((hash.hash, hash.compact_revision.get()), (1_424_132_615, 12));
            assert_eq!(server.leases().await.unwrap().len(), 1);
            assert_eq!(server.local_members().len(), 3);
        }
        for member in members {
            member.shutdown().await;
        }
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_raised_revision_is_kept_and_goes_on_from_there() {
        let dir = tempfile::tempdir().unwrap();
        let member = options(&dir, "a", &ports(&["a"]));
        let restoring = restore_options(&dir, &member, Some(1_000));
        tokio::task::spawn_blocking(move || restore(&restoring).unwrap())
            .await
            .unwrap();
        for _ in 0..2 {
            let config = Config::from_options(&member).unwrap();
            let member = Member::start(config).await.unwrap();
            let view = member.server().view();
            let raised = Some(Revision::new(1_031));
            assert_eq!((Some(view.revision()), view.compacted()), (raised, raised));
            member.shutdown().await;
        }
    }

    #[test]
    fn a_directory_that_is_there_and_one_that_fails_are_left_as_they_were() {
        let dir = tempfile::tempdir().unwrap();
        let member = options(&dir, "a", &ports(&["a"]));
        let data_dir = dir.path().join("a");
        std::fs::create_dir(&data_dir).unwrap();
        std::fs::write(data_dir.join("mine"), "kept").unwrap();
        let refused = restore(&restore_options(&dir, &member, None));
        assert!(matches!(refused, Err(RestoreError::NotEmpty(_))), "{refused:?}");
        assert_eq!(std::fs::read_to_string(data_dir.join("mine")).unwrap(), "kept");

        std::fs::remove_file(data_dir.join("mine")).unwrap();
        let damaged = restore_options(&dir, &member, None);
        let mut bytes = ETCD.to_vec();
        bytes.iter_mut().skip(8192).for_each(|byte| *byte ^= 0x55);
        std::fs::write(&damaged.snapshot, bytes).unwrap();
        let refused = restore(&damaged);
        assert!(matches!(refused, Err(RestoreError::Snapshot(_))), "{refused:?}");
        assert_eq!(std::fs::read_dir(&data_dir).unwrap().count(), 0);

        // An empty directory may be there.
        restore(&restore_options(&dir, &member, None)).unwrap();
        let left = std::fs::read_dir(dir.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name());
        let mut left: Vec<_> = left.collect();
        left.sort();
        assert_eq!(left, ["a", "snapshot.db"]);
    }
}
