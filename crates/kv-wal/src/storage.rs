use std::fs;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::fs::FallocateFlags;
use rustix::io::Errno;

/// A directory of files: all that the log asks of the operating system, so that tests can put a disk
/// beneath it that fails.
///
/// What changes the directory (`create`, `rename`, `remove`) survives a crash only after `sync_dir`;
/// until then each change may or may not have happened, in any combination.
pub trait Storage: Send + Sync + 'static {
    /// The names in the directory, in any order.
    ///
    /// # Errors
    /// The operating system's.
    fn list(&self) -> io::Result<Vec<String>>;

    /// Creates an empty file; one of this name must not exist.
    ///
    /// # Errors
    /// The operating system's.
    fn create(&self, name: &str) -> io::Result<Arc<dyn StorageFile>>;

    /// Opens a file for reading and writing.
    ///
    /// # Errors
    /// The operating system's.
    fn open(&self, name: &str) -> io::Result<Arc<dyn StorageFile>>;

    /// Renames a file, replacing what bears the new name.
    ///
    /// # Errors
    /// The operating system's.
    fn rename(&self, from: &str, to: &str) -> io::Result<()>;

    /// Removes a name; open handles stay usable.
    ///
    /// # Errors
    /// The operating system's.
    fn remove(&self, name: &str) -> io::Result<()>;

    /// Makes all earlier changes of the directory durable.
    ///
    /// # Errors
    /// The operating system's.
    fn sync_dir(&self) -> io::Result<()>;

    /// How messages name a file.
    fn path(&self, name: &str) -> PathBuf;
}

/// An open file of a [`Storage`]. Written bytes are readable at once and durable after a sync.
pub trait StorageFile: Send + Sync + 'static {
    /// Its length in bytes.
    ///
    /// # Errors
    /// The operating system's.
    fn length(&self) -> io::Result<u64>;

    /// Gives an empty file `length` bytes of space, which read as zeros, without writing them. Returns `false` and
    /// does nothing where the file system cannot do that. Durable after a sync, like what is written.
    ///
    /// # Errors
    /// The operating system's.
    fn allocate(&self, length: u64) -> io::Result<bool>;

    /// Fills `buffer` from `offset`.
    ///
    /// # Errors
    /// The operating system's, or `UnexpectedEof` if the file ends before.
    fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()>;

    /// Writes all of `bytes` at `offset`. After an error any part may have been written.
    ///
    /// # Errors
    /// The operating system's.
    fn write_all_at(&self, bytes: &[u8], offset: u64) -> io::Result<()>;

    /// Makes what was written durable, and the length as far as reading needs it (`fdatasync`). After
    /// an error nothing is known of what was written since the last success, not even after another sync.
    ///
    /// # Errors
    /// The operating system's.
    fn sync_data(&self) -> io::Result<()>;
}

/// A real directory.
pub struct DirStorage {
    path: PathBuf,
    handle: fs::File,
}

impl DirStorage {
    /// Opens the directory and creates it and its parents, durably, if they do not exist.
    ///
    /// # Errors
    /// The operating system's.
    pub fn open(path: &Path) -> io::Result<Self> {
        create_dir(path)?;
        Ok(Self {
            path: path.to_owned(),
            handle: fs::File::open(path)?,
        })
    }
}

/// Creates `path` so that no power loss can take it, and with it the whole log, away again.
fn create_dir(path: &Path) -> io::Result<()> {
    if path.is_dir() {
        return Ok(());
    }
    let parent = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    create_dir(parent)?;
    fs::create_dir(path)?;
    fs::File::open(parent)?.sync_all()
}

impl Storage for DirStorage {
    fn list(&self) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for item in fs::read_dir(&self.path)? {
            // A name that is no UTF-8 is none of the log's.
            if let Ok(name) = item?.file_name().into_string() {
                names.push(name);
            }
        }
        Ok(names)
    }

    fn create(&self, name: &str) -> io::Result<Arc<dyn StorageFile>> {
        let mut options = fs::OpenOptions::new();
        options.read(true).write(true).create_new(true);
        Ok(Arc::new(options.open(self.path(name))?))
    }

    fn open(&self, name: &str) -> io::Result<Arc<dyn StorageFile>> {
        Ok(Arc::new(
            fs::OpenOptions::new()
                .read(true)
                .write(true)
                .open(self.path(name))?,
        ))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        fs::rename(self.path(from), self.path(to))
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        fs::remove_file(self.path(name))
    }

    fn sync_dir(&self) -> io::Result<()> {
        self.handle.sync_all()
    }

    fn path(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }
}

impl StorageFile for fs::File {
    fn length(&self) -> io::Result<u64> {
        Ok(self.metadata()?.len())
    }

    fn allocate(&self, length: u64) -> io::Result<bool> {
        match rustix::fs::fallocate(self, FallocateFlags::empty(), 0, length) {
            Ok(()) => Ok(true),
            Err(Errno::OPNOTSUPP | Errno::NOSYS) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        FileExt::read_exact_at(self, buffer, offset)
    }

    fn write_all_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        FileExt::write_all_at(self, bytes, offset)
    }

    fn sync_data(&self) -> io::Result<()> {
        fs::File::sync_data(self)
    }
}
