use bytes::Bytes;
use kv_types::LeaseId;

/// Who knows the leases. The store tells it which key is attached to which, and asks no more than whether a
/// lease exists.
pub trait LeaseBook {
    /// Whether the lease exists.
    fn exists(&self, lease: LeaseId) -> bool;

    /// `key` is attached to `lease` from now on. It was attached to none.
    fn attach(&mut self, lease: LeaseId, key: &Bytes);

    /// `key` is no longer attached to `lease`.
    fn detach(&mut self, lease: LeaseId, key: &Bytes);
}
