use kv_types::{KeyRange, Revision, RowRevision};

use super::Reader;
use crate::index::At;
use crate::rows::Caching;
use crate::{HashKv, RangeError, Row};

/// etcd's hash begins with the name of the bucket its rows are in.
const SEED: &[u8] = b"key";

impl Reader<'_> {
    /// etcd's hash of all rows up to a revision; it takes the last compaction as done.
    pub(crate) fn hash_kv(&self, at: Option<Revision>) -> Result<HashKv, RangeError> {
        let hash_revision = match self.at(at)? {
            At::Latest => self.revision,
            At::Past(revision) => revision,
        };
        let compact_revision = self.state.compacted_or_before();
        // etcd leaves a compacted row out if its key has changed since, but not if no key at all is left.
        let any_live = self.state.index.count(&KeyRange::all(), At::Past(hash_revision)) > 0;
        let survives_at = if any_live { hash_revision } else { compact_revision };
        let mut hash = crc32c::crc32c(SEED);
        let mut bytes = Vec::new();
        let after = RowRevision::first_of(hash_revision.next());
        for row in self
            .rows
            .iter(RowRevision::default(), Some(after), Caching::Bypass)
        {
            let row = row?;
            if row.revision.main > compact_revision || self.is_live_at(&row, survives_at) {
                bytes.clear();
                row.write_etcd_key(&mut bytes);
                row.write_etcd_value(&mut bytes);
                hash = crc32c::crc32c_append(hash, &bytes);
            }
        }
        Ok(HashKv {
            hash,
            compact_revision,
            hash_revision,
            revision: self.revision,
        })
    }

    fn is_live_at(&self, row: &Row, revision: Revision) -> bool {
        let live = self.state.index.live(&row.key, At::Past(revision));
        live.is_some_and(|version| version.revision() == row.revision)
    }
}
