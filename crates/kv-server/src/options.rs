use std::path::PathBuf;
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
    /// Where files without a name may be written.
    pub scratch_dir: PathBuf,
    /// Bounds on single requests.
    pub limits: Limits,
    /// How users prove who they are.
    pub auth: AuthOptions,
}

/// How users prove who they are.
#[derive(Clone, Debug)]
pub struct AuthOptions {
    /// The tokens that they get for their password.
    pub tokens: TokenOptions,
    /// Cost of hashing a new password: each step doubles it. 4 to 31.
    pub bcrypt_cost: u32,
}

/// Which tokens users get for their password.
#[derive(Clone, Debug)]
pub enum TokenOptions {
    /// Random ones that the members remember until they are not used for this long.
    Simple {
        /// The time.
        ttl: Duration,
    },
}

impl Default for AuthOptions {
    fn default() -> Self {
        Self {
            tokens: TokenOptions::Simple {
                ttl: Duration::from_secs(300),
            },
            bcrypt_cost: 10,
        }
    }
}

impl ServerOptions {
    /// How long a request may take before its caller is told that the outcome is unknown: etcd's five seconds
    /// and two election timeouts.
    pub fn request_timeout(&self) -> Duration {
        Duration::from_secs(5) + 2 * self.election_timeout
    }
}
