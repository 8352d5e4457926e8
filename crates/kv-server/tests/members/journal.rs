use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use kv_mvcc::{KeyValue, RangeRequest};
use kv_server::Server;
use kv_types::{KeyRange, LeaseId, Revision};

/// What a writer was told.
#[derive(Default)]
pub(crate) struct Journal {
    /// Value and revision of each key as last acknowledged, `None` if its deletion was. A key that was in a request
    /// without an answer is not in here.
    pub(crate) keys: BTreeMap<Bytes, Option<(Bytes, Revision)>>,
    /// Leases that were granted, and whether they still are.
    pub(crate) leases: BTreeMap<LeaseId, bool>,
    pub(crate) compacted: Option<Revision>,
    /// The last revision it was told.
    pub(crate) revision: Revision,
    pub(crate) acknowledged: u64,
}

impl Journal {
    /// Notes an answer. Revisions of one writer only go up.
    pub(crate) fn acknowledge(&mut self, revision: Revision) {
        assert!(
            revision > self.revision,
            "acknowledged {revision} after {}",
            self.revision
        );
        self.revision = revision;
        self.acknowledged += 1;
    }

    pub(crate) fn forget(&mut self, keys: &[Bytes]) {
        for key in keys {
            self.keys.remove(key);
        }
    }
}

/// What a member has.
pub(crate) struct Found {
    pub(crate) revision: Revision,
    keys: BTreeMap<Bytes, KeyValue>,
    leases: BTreeSet<LeaseId>,
    compacted: Option<Revision>,
}

impl Found {
    /// Reads all of it, linearizably.
    pub(crate) async fn read(server: &Server) -> Self {
        let result = server
            .range(RangeRequest::new(KeyRange::all()), false)
            .await
            .unwrap();
        Self {
            revision: result.revision,
            keys: result.kvs.into_iter().map(|kv| (kv.key.clone(), kv)).collect(),
            leases: server.leases().await.unwrap().into_iter().collect(),
            compacted: server.view().compacted(),
        }
    }

    /// Checks that everything a writer was told is so, and that no transaction is torn.
    pub(crate) fn check(&self, journal: &Journal) {
        for (key, told) in &journal.keys {
            let found = self.keys.get(key).map(|kv| (kv.value.clone(), kv.mod_revision));
            assert_eq!(&found, told, "{key:?}");
        }
        for (lease, granted) in &journal.leases {
            assert_eq!(self.leases.contains(lease), *granted, "{lease:?}");
        }
        assert!(
            self.compacted >= journal.compacted,
            "{:?} < {:?}",
            self.compacted,
            journal.compacted
        );
        assert!(
            self.revision >= journal.revision,
            "{} < {}",
            self.revision,
            journal.revision
        );
    }

    /// Checks that of each pair both keys were put last by the same transaction, or both are not there.
    pub(crate) fn check_pairs(&self) {
        let half = |name: &str| {
            let named = self
                .keys
                .iter()
                .filter_map(move |(key, kv)| Some((key.strip_prefix(name.as_bytes())?, kv)));
            named
                .map(|(key, kv)| (key.to_vec(), kv.value.clone(), kv.mod_revision))
                .collect::<Vec<_>>()
        };
        assert_eq!(half("pair/a/"), half("pair/b/"), "a transaction is torn");
    }
}
