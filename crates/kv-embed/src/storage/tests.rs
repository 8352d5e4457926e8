use std::path::{Path, PathBuf};
use std::sync::mpsc;

use kv_types::{ClusterId, MemberId};
use kv_wal::Entry;
use tempfile::TempDir;

use super::*;

const IDENTITY: Identity = Identity {
    member: MemberId::new(0x8e9e),
    cluster: ClusterId::new(0xcdf8),
    joined: false,
};

async fn open_in(dir: &TempDir) -> Result<(DataDir, Wal, Arc<Replica>), StartError> {
    let data_dir = DataDir::open(dir.path())?;
    let syncs = Arc::new(Syncs::new());
    let (wal, replica) = open(&data_dir, IDENTITY, syncs, Duration::from_secs(600)).await?;
    Ok((data_dir, wal, replica))
}

async fn refusal(dir: &TempDir) -> StartError {
    match open_in(dir).await {
        Ok(_) => panic!("it was opened"),
        Err(error) => error,
    }
}

/// A member that has promised something and has entries up to 9, those up to `purged` purged.
async fn used(purged: Option<u64>) -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    let (_data_dir, wal, _replica) = open_in(&dir).await.unwrap();
    let (sender, done) = mpsc::channel();
    let told = || {
        let sender = sender.clone();
        Box::new(move |result| sender.send(result).unwrap())
    };
    wal.save_vote("vote".into(), told());
    let entry = |index| Entry {
        index,
        payload: "entry".into(),
    };
    wal.append((0..10).map(entry).collect(), told());
    if let Some(purged) = purged {
        wal.purge(purged, "marker".into(), told());
    }
    drop(sender);
    let told =
        tokio::task::spawn_blocking(move || done.iter().take(2 + usize::from(purged.is_some())).collect());
    let results: Vec<Result<(), kv_wal::WriteError>> = told.await.unwrap();
    assert!(results.iter().all(Result::is_ok));
    dir
}

fn member(dir: &TempDir) -> PathBuf {
    dir.path().join("member")
}

fn empty(dir: &Path) {
    std::fs::remove_dir_all(dir).unwrap();
    std::fs::create_dir(dir).unwrap();
}

/// All files below `dir` whose path has `part` in it.
fn files(dir: &Path, part: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path, part));
        } else if path.to_string_lossy().contains(part) {
            found.push(path);
        }
    }
    found
}

/// Flips a byte in the middle of the store's directory of objects.
fn damage_store(dir: &TempDir) {
    let snapshots = files(&member(dir).join("db"), "snapshot_");
    assert!(!snapshots.is_empty());
    for path in snapshots {
        let mut bytes = std::fs::read(&path).unwrap();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 0xff;
        std::fs::write(&path, bytes).unwrap();
    }
}

fn set_aside(dir: &TempDir) -> bool {
    member(dir).join("db.damaged-1").exists()
}

#[tokio::test]
async fn a_new_directory_gets_an_identity_and_opens_again() {
    let dir = tempfile::tempdir().unwrap();
    let (data_dir, wal, replica) = open_in(&dir).await.unwrap();
    assert_eq!(data_dir.identity().unwrap(), Some(IDENTITY));
    drop((data_dir, wal, replica));
    open_in(&dir).await.unwrap();
}

#[tokio::test]
async fn a_crash_before_the_identity_is_written_is_no_loss_of_it() {
    let dir = tempfile::tempdir().unwrap();
    drop(open_in(&dir).await.unwrap());
    std::fs::remove_file(member(&dir).join("identity")).unwrap();
    open_in(&dir).await.unwrap();
}

#[tokio::test]
async fn a_lost_log_is_refused_however_often_the_member_is_started() {
    let dir = used(None).await;
    empty(&member(&dir).join("wal"));
    for _ in 0..2 {
        let error = refusal(&dir).await;
        assert!(matches!(error, StartError::LogMissing { .. }), "{error}");
        assert!(
            error.to_string().contains("restore the data directory"),
            "{error}"
        );
    }
}

#[tokio::test]
async fn a_lost_identity_is_refused_and_not_replaced() {
    let dir = used(None).await;
    std::fs::remove_file(member(&dir).join("identity")).unwrap();
    for _ in 0..2 {
        let error = refusal(&dir).await;
        assert!(matches!(error, StartError::IdentityMissing { .. }), "{error}");
    }
}

#[tokio::test]
async fn a_damaged_store_is_set_aside_if_the_log_has_everything() {
    let dir = used(None).await;
    damage_store(&dir);
    let (_data_dir, wal, replica) = open_in(&dir).await.unwrap();
    assert!(set_aside(&dir));
    assert_eq!(replica.applied().log_id, None);
    assert_eq!(wal.state().end, 10);
}

#[tokio::test]
async fn a_damaged_store_is_left_alone_if_the_log_is_purged() {
    let dir = used(Some(3)).await;
    damage_store(&dir);
    let error = refusal(&dir).await;
    assert!(
        matches!(error, StartError::StoreLost { purged: 3, .. }),
        "{error}"
    );
    assert!(
        error.to_string().contains("restore the data directory"),
        "{error}"
    );
    assert!(!set_aside(&dir));
}

#[tokio::test]
async fn a_store_that_ends_before_the_log_begins_is_refused() {
    let dir = used(Some(3)).await;
    let error = refusal(&dir).await;
    let StartError::StoreBehindLog { applied, purged, .. } = error else {
        panic!("{error}");
    };
    assert_eq!((applied, purged), (None, 3));
    assert!(
        error
            .to_string()
            .contains("is empty, but the log begins after entry 3"),
        "{error}"
    );
}

#[tokio::test]
async fn a_damaged_log_is_refused_by_file_and_offset() {
    let dir = used(None).await;
    for path in files(&member(&dir).join("wal"), "wal-") {
        let mut bytes = std::fs::read(&path).unwrap();
        bytes[70] ^= 0xff;
        std::fs::write(&path, bytes).unwrap();
    }
    let error = refusal(&dir).await.to_string();
    assert!(error.contains("is damaged at offset"), "{error}");
    assert!(!set_aside(&dir));
}
