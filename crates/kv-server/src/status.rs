use kv_snapshot::Versions;
use kv_types::{LogIndex, MemberId, Term};

/// The etcd release whose API this server speaks.
pub const ETCD_VERSION: &str = "3.6.14";

/// The cluster version and storage version that go with [`ETCD_VERSION`].
pub const ETCD_CLUSTER_VERSION: &str = "3.6.0";

/// What snapshots say of versions.
pub(crate) const VERSIONS: Versions<'_> = Versions {
    cluster: ETCD_CLUSTER_VERSION,
    storage: ETCD_CLUSTER_VERSION,
};

/// Major and minor number of one of the versions above.
pub(crate) fn minor_of(version: &str) -> (u64, u64) {
    let mut numbers = version.split('.').map_while(|number| number.parse().ok());
    (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0))
}

/// How a member is, by its own knowledge.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Status {
    /// [`ETCD_VERSION`].
    pub version: String,
    /// Bytes of the store on disk.
    pub db_size: u64,
    /// Bytes of them in use.
    pub db_size_in_use: u64,
    /// The leader this member knows.
    pub leader: Option<MemberId>,
    /// Last entry known to be committed.
    pub raft_index: LogIndex,
    /// The term.
    pub raft_term: Term,
    /// Last entry applied.
    pub raft_applied_index: LogIndex,
    /// What is wrong.
    pub errors: Vec<String>,
    /// Whether this member has no vote.
    pub learner: bool,
    /// [`ETCD_CLUSTER_VERSION`].
    pub storage_version: String,
    /// Quota in bytes; the largest number if it is switched off.
    pub db_size_quota: i64,
    /// The version that the cluster is being downgraded to.
    pub downgrade: Option<String>,
}
