use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use kv_types::{ClusterId, MemberId};

use crate::StartError;

/// The directory of a member, held by this process as long as the value lives.
///
/// | below `member/` | content |
/// |---|---|
/// | `lock` | locked by the process that uses the directory |
/// | `identity` | format, member ID and cluster ID, and whether it joined, as text |
/// | `wal/` | the log |
/// | `db/` | the store: the checkpoint of the log |
/// | `db.damaged-N/` | a store that was set aside; nothing reads it any more |
/// | `snap/` | snapshots being received |
#[derive(Debug)]
pub(crate) struct DataDir {
    member: PathBuf,
    _lock: File,
}

/// Who the data belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Identity {
    pub(crate) member: MemberId,
    pub(crate) cluster: ClusterId,
    /// Whether it joined a cluster that existed: nothing in its flags gives these IDs then.
    pub(crate) joined: bool,
}

/// The format of the directory; a later one is refused.
const FORMAT: u32 = 1;

/// The last line of the identity of a member that joined its cluster.
const JOINED: &str = "joined\n";

impl DataDir {
    /// Creates what is missing, durably, and takes the lock.
    pub(crate) fn open(path: &Path) -> Result<Self, StartError> {
        let member = path.join("member");
        let parts = ["wal", "db", "snap"].map(|part| member.join(part));
        for dir in [&member].into_iter().chain(&parts) {
            create_dir(dir)?;
        }
        let lock = lock(&member.join("lock"))?;
        // Also of what was there: it may have been created a moment before a power loss, which would take all
        // that is in it.
        for dir in [&member, path] {
            sync_dir(dir)?;
        }
        sync_parent(path)?;
        Ok(Self { member, _lock: lock })
    }

    /// Gives the store a name under which it is not found again, and a new place to the next one. The name.
    pub(crate) fn set_store_aside(&self) -> Result<PathBuf, StartError> {
        let aside = |number: u32| self.member.join(format!("db.damaged-{number}"));
        let name = (1..).map(aside).find(|name| !name.exists());
        let name = name.unwrap_or_else(|| aside(u32::MAX));
        let db = self.db();
        std::fs::rename(&db, &name).map_err(StartError::io("set aside", &db))?;
        create_dir(&db)?;
        sync_dir(&self.member)?;
        Ok(name)
    }

    pub(crate) fn wal(&self) -> PathBuf {
        self.member.join("wal")
    }

    pub(crate) fn db(&self) -> PathBuf {
        self.member.join("db")
    }

    pub(crate) fn snapshots(&self) -> PathBuf {
        self.member.join("snap")
    }

    pub(crate) fn identity_path(&self) -> PathBuf {
        self.member.join("identity")
    }

    /// Whose data this is; `None` for a directory that was not used yet.
    pub(crate) fn identity(&self) -> Result<Option<Identity>, StartError> {
        let path = self.identity_path();
        let text = match std::fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(source) => return Err(StartError::io("read", &path)(source)),
        };
        parse_identity(&text, &path).map(Some)
    }

    /// Says whose data this is going to be; durable when this returns.
    pub(crate) fn set_identity(&self, identity: Identity) -> Result<(), StartError> {
        let path = self.identity_path();
        let temporary = self.member.join("identity.tmp");
        let write = || -> io::Result<()> {
            let mut file = File::create(&temporary)?;
            file.write_all(print_identity(identity).as_bytes())?;
            file.sync_all()?;
            std::fs::rename(&temporary, &path)?;
            File::open(&self.member)?.sync_all()
        };
        write().map_err(StartError::io("write", &path))
    }
}

/// Creates a directory and those above it, as far as they are missing; they are durable when this returns.
fn create_dir(path: &Path) -> Result<(), StartError> {
    let create = || std::fs::DirBuilder::new().mode(0o700).create(path);
    let mut created = create();
    if matches!(&created, Err(error) if error.kind() == io::ErrorKind::NotFound) {
        path.parent().map_or(Ok(()), create_dir)?;
        created = create();
    }
    match created {
        Ok(()) => sync_parent(path),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists && path.is_dir() => Ok(()),
        Err(source) => Err(StartError::io("create directory", path)(source)),
    }
}

/// Makes the name of a directory durable, unless this user may not read the one it is in.
fn sync_parent(path: &Path) -> Result<(), StartError> {
    match path.parent().map_or(Ok(()), sync_dir) {
        Err(StartError::Io { source, .. }) if source.kind() == io::ErrorKind::PermissionDenied => Ok(()),
        synced => synced,
    }
}

pub(crate) fn sync_dir(path: &Path) -> Result<(), StartError> {
    // The parent of a relative name is the empty one.
    let named = if path.as_os_str().is_empty() {
        Path::new(".")
    } else {
        path
    };
    File::open(named)
        .and_then(|dir| dir.sync_all())
        .map_err(StartError::io("sync directory", named))
}

fn lock(path: &Path) -> Result<File, StartError> {
    let opened = OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .mode(0o600)
        .open(path);
    let file = opened.map_err(StartError::io("open", path))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(StartError::Locked { path: path.into() }),
        Err(TryLockError::Error(source)) => Err(StartError::io("lock", path)(source)),
    }
}

fn print_identity(identity: Identity) -> String {
    format!(
        "format {FORMAT}\nmember {}\ncluster {}\n{}",
        identity.member,
        identity.cluster,
        if identity.joined { JOINED } else { "" }
    )
}

fn parse_identity(text: &str, path: &Path) -> Result<Identity, StartError> {
    let damaged = || StartError::Identity { path: path.into() };
    let field = |name: &str| {
        let line = text
            .lines()
            .find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        line.ok_or_else(damaged)
    };
    let hex = |name: &str| u64::from_str_radix(field(name)?, 16).map_err(|_| damaged());
    let format: u32 = field("format")?.parse().map_err(|_| damaged())?;
    if format > FORMAT {
        return Err(StartError::NewerFormat {
            path: path.into(),
            found: format,
            known: FORMAT,
        });
    }
    Ok(Identity {
        member: MemberId::new(hex("member")?),
        cluster: ClusterId::new(hex("cluster")?),
        joined: text.ends_with(JOINED),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const IDENTITY: Identity = Identity {
        member: MemberId::new(0x8e9e),
        cluster: ClusterId::new(0xcdf8),
        joined: false,
    };

    #[test]
    fn an_identity_is_kept_and_read_back() {
        let temporary = tempfile::tempdir().unwrap();
        let dir = DataDir::open(&temporary.path().join("not/there/yet")).unwrap();
        assert_eq!(dir.identity().unwrap(), None);
        dir.set_identity(IDENTITY).unwrap();
        assert_eq!(dir.identity().unwrap(), Some(IDENTITY));
        let joined = Identity {
            joined: true,
            ..IDENTITY
        };
        dir.set_identity(joined).unwrap();
        assert_eq!(dir.identity().unwrap(), Some(joined));
    }

    #[test]
    fn a_directory_in_use_is_refused_by_name() {
        let temporary = tempfile::tempdir().unwrap();
        let first = DataDir::open(temporary.path()).unwrap();
        let error = DataDir::open(temporary.path()).unwrap_err().to_string();
        assert!(error.contains("in use by another process"), "{error}");
        drop(first);
        DataDir::open(temporary.path()).unwrap();
    }

    #[test]
    fn each_store_that_is_set_aside_keeps_its_content_under_a_name_of_its_own() {
        let temporary = tempfile::tempdir().unwrap();
        let dir = DataDir::open(temporary.path()).unwrap();
        for number in ["1", "2"] {
            std::fs::write(dir.db().join("content"), number).unwrap();
            let aside = dir.set_store_aside().unwrap();
            assert_eq!(aside.extension().unwrap(), &*format!("damaged-{number}"));
            assert_eq!(std::fs::read_to_string(aside.join("content")).unwrap(), number);
            assert!(std::fs::read_dir(dir.db()).unwrap().next().is_none());
        }
    }

    #[test]
    fn newer_formats_and_damage_are_told_apart() {
        let path = Path::new("identity");
        let newer = print_identity(IDENTITY).replace("format 1", "format 2");
        assert!(matches!(
            parse_identity(&newer, path),
            Err(StartError::NewerFormat { found: 2, .. })
        ));
        for damaged in [
            "",
            "format x\n",
            "format 1\nmember zz\ncluster 1\n",
            "format 1\nmember 1\n",
        ] {
            assert!(
                matches!(parse_identity(damaged, path), Err(StartError::Identity { .. })),
                "{damaged}"
            );
        }
    }
}
