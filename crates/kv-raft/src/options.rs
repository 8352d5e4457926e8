use std::path::PathBuf;
use std::time::Duration;

use kv_types::MemberId;

use crate::StartError;

/// How a member takes part in Raft.
#[derive(Clone, Debug)]
pub struct RaftOptions {
    /// This member.
    pub member: MemberId,
    /// How often a leader shows that it is alive.
    pub heartbeat_interval: Duration,
    /// How long a follower does without a sign of the leader before it may stand for election. It stands at a
    /// random moment between this and 1.3 times this, so that a new leader writes within twice this.
    pub election_timeout: Duration,
    /// How long a proposal, a read index or a question is retried before it ends in an error.
    pub request_timeout: Duration,
    /// A snapshot is made, and the log before it purged, after this many entries.
    pub snapshot_count: u64,
    /// ... or after this many bytes of entries.
    pub snapshot_bytes: u64,
    /// This many entries before a snapshot stay in the log for followers that lag a little.
    pub catchup_entries: u64,
    /// ... but not more than this many bytes of them.
    pub catchup_bytes: u64,
    /// Where snapshots of other members are received. Created if it does not exist.
    pub snapshot_dir: PathBuf,
}

impl RaftOptions {
    /// etcd's defaults.
    pub fn new(member: MemberId, snapshot_dir: PathBuf) -> Self {
        Self {
            member,
            heartbeat_interval: Duration::from_millis(100),
            election_timeout: Duration::from_millis(1000),
            request_timeout: Duration::from_millis(7000),
            snapshot_count: 10_000,
            snapshot_bytes: 128 * 1024 * 1024,
            catchup_entries: 5_000,
            catchup_bytes: 64 * 1024 * 1024,
            snapshot_dir,
        }
    }

    /// When openraft's follower may stand for election.
    ///
    /// openraft waits for the lease it grants the leader (the upper bound of its election timeout) and then for
    /// a random time between its bounds. With a lease of 0.65 and a lower bound of 0.35 that is between 1.0 and
    /// 1.3 election timeouts, which leaves 0.7 of the two a fail-over may take for the election itself.
    pub(crate) fn openraft_config(&self) -> Result<openraft::Config, StartError> {
        let millis = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        let election = millis(self.election_timeout);
        let heartbeat = millis(self.heartbeat_interval);
        if heartbeat == 0 || heartbeat.saturating_mul(3) > election {
            return Err(StartError::Options(format!(
                "the election timeout ({election} ms) must be at least 3 times the heartbeat interval ({heartbeat} ms)"
            )));
        }
        openraft::Config {
            cluster_name: "kvd".into(),
            heartbeat_interval: heartbeat,
            election_timeout_min: election * 35 / 100,
            election_timeout_max: election * 65 / 100,
            enable_pre_vote: Some(true),
            // A leader that returns must be elected again: its committed index may be old.
            enable_leader_restore: Some(false),
            // A follower whose disk lost what it had acknowledged is filled again instead of being an invariant
            // broken in the leader.
            allow_log_reversion: Some(true),
            snapshot_policy: openraft::SnapshotPolicy::Never,
            max_in_snapshot_log_to_keep: self.catchup_entries,
            purge_batch_size: PURGE_BATCH,
            max_payload_entries: APPEND_ENTRIES_MAX,
            install_snapshot_timeout: millis(self.request_timeout),
            backoff: "20ms 50ms 100ms 200ms ..500ms".into(),
            ..openraft::Config::default()
        }
        .validate()
        .map_err(|error| StartError::Options(error.to_string()))
    }
}

/// Most entries in one append message.
pub(crate) const APPEND_ENTRIES_MAX: u64 = 1024;

/// Entries are purged in batches of at least this many.
const PURGE_BATCH: u64 = 1024;
