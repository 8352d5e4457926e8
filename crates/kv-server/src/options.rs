use std::time::Duration;

use kv_types::{ClusterId, Limits, MemberId};

/// How a member serves.
#[derive(Clone, Debug)]
pub struct ServerOptions {
    /// This member.
    pub member_id: MemberId,
    /// Its cluster.
    pub cluster_id: ClusterId,
    /// The name it publishes.
    pub name: String,
    /// The client URLs it publishes.
    pub client_urls: Vec<String>,
    /// Time without a heartbeat after which an election starts.
    pub election_timeout: Duration,
    /// Quota of the store in bytes; `None` when it is switched off.
    pub quota_bytes: Option<u64>,
    /// Whether changes of the membership that would endanger the quorum are refused.
    pub strict_reconfig_check: bool,
    /// How many learners there may be at a time.
    pub max_learners: usize,
    /// Bounds on single requests.
    pub limits: Limits,
}

impl ServerOptions {
    /// How long a request may take before its caller is told that the outcome is unknown: etcd's five seconds
    /// and two election timeouts.
    pub fn request_timeout(&self) -> Duration {
        Duration::from_secs(5) + 2 * self.election_timeout
    }
}
