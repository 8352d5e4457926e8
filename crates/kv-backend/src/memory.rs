use std::collections::BTreeMap;
use std::ops::Bound;
use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;
use parking_lot::{Mutex, RwLock};

use crate::batch::Change;
use crate::{Backend, BackendError, BackendHome, Batch, OpenError, Visit};

/// A home whose databases are gone with the process. For tests and for members that keep nothing.
#[derive(Default)]
pub struct MemoryHome {
    inner: Mutex<Databases>,
}

#[derive(Default)]
struct Databases {
    current: Option<Arc<MemoryBackend>>,
    staged: Option<Arc<MemoryBackend>>,
}

impl MemoryHome {
    /// An empty home.
    pub fn new() -> MemoryHome {
        MemoryHome::default()
    }
}

impl BackendHome for MemoryHome {
    fn open(&self) -> Result<Arc<dyn Backend>, OpenError> {
        Ok(self.inner.lock().current.get_or_insert_default().clone())
    }

    fn stage(&self) -> Result<Arc<dyn Backend>, OpenError> {
        let fresh = Arc::<MemoryBackend>::default();
        self.inner.lock().staged = Some(fresh.clone());
        Ok(fresh)
    }

    fn promote(&self) -> Result<(), OpenError> {
        let mut inner = self.inner.lock();
        let staged = inner.staged.take();
        let staged = staged.ok_or_else(|| OpenError::NothingStaged {
            path: PathBuf::from("memory"),
        })?;
        inner.current = Some(staged);
        Ok(())
    }
}

#[derive(Default)]
struct MemoryBackend {
    pairs: RwLock<Pairs>,
}

impl Backend for MemoryBackend {
    fn get(&self, key: &[u8]) -> Result<Option<Bytes>, BackendError> {
        Ok(self.pairs.read().map.get(key).cloned())
    }

    fn scan(&self, from: &[u8], to: &[u8], visit: Visit<'_>) -> Result<(), BackendError> {
        for (key, value) in self.pairs.read().range(from, to) {
            if visit(key, value).is_break() {
                break;
            }
        }
        Ok(())
    }

    fn write(&self, batch: Batch) -> Result<(), BackendError> {
        self.pairs.write().apply(batch.into_changes());
        Ok(())
    }

    fn flush(&self) -> Result<(), BackendError> {
        Ok(())
    }

    fn reopen(&self) -> Result<(), OpenError> {
        Ok(())
    }

    fn size_on_disk(&self) -> Result<u64, BackendError> {
        Ok(self.pairs.read().bytes)
    }
}

/// Pairs in key order, and how many bytes they are.
#[derive(Clone, Default)]
pub(crate) struct Pairs {
    pub(crate) map: BTreeMap<Bytes, Bytes>,
    pub(crate) bytes: u64,
}

impl Pairs {
    /// The pairs of `[from, to)`; none when that is empty or upside down.
    pub(crate) fn range<'a>(
        &'a self,
        from: &[u8],
        to: &[u8],
    ) -> impl Iterator<Item = (&'a Bytes, &'a Bytes)> + use<'a> {
        // An upside-down range would panic, an empty one does not.
        self.map
            .range::<[u8], _>((Bound::Included(from.min(to)), Bound::Excluded(to)))
    }

    pub(crate) fn apply(&mut self, changes: Vec<Change>) {
        for (key, value) in changes {
            let key_bytes = key.len();
            let old = match value {
                Some(value) => {
                    self.bytes += (key_bytes + value.len()) as u64;
                    self.map.insert(key, value)
                }
                None => self.map.remove(&key),
            };
            self.bytes -= old.map_or(0, |old| (key_bytes + old.len()) as u64);
        }
    }
}
