use std::convert::Infallible;

use kv_machine::Frozen;
use kv_mvcc::ReadError;

use crate::export::{ExportError, Sink, Versions, export};

/// Keys of bucket `meta` that etcd's hash leaves out.
const IGNORED: [&[u8]; 3] = [b"consistent_index", b"term", b"storageVersion"];

/// etcd's hash of a whole store: CRC-32C of the names, keys and values of all buckets. Reads every row.
///
/// # Errors
/// If a row cannot be read.
pub fn hash(frozen: &Frozen, versions: Versions<'_>) -> Result<u32, ReadError> {
    let mut hasher = Hasher::default();
    match export(frozen, versions, &mut hasher) {
        Ok(()) => Ok(hasher.hash),
        Err(ExportError::Read(error)) => Err(error),
        Err(ExportError::Json(error)) => Err(ReadError::Damaged {
            reason: error.to_string(),
        }),
        Err(ExportError::Sink(never)) => match never {},
    }
}

#[derive(Default)]
struct Hasher {
    hash: u32,
    in_meta: bool,
}

impl Sink for Hasher {
    type Error = Infallible;

    fn begin_bucket(&mut self, name: &str) -> Result<(), Infallible> {
        self.in_meta = name == "meta";
        self.hash = crc32c::crc32c_append(self.hash, name.as_bytes());
        Ok(())
    }

    fn put(&mut self, key: &[u8], value: &[u8]) -> Result<(), Infallible> {
        if !(self.in_meta && IGNORED.contains(&key)) {
            self.hash = crc32c::crc32c_append(self.hash, key);
            self.hash = crc32c::crc32c_append(self.hash, value);
        }
        Ok(())
    }
}
