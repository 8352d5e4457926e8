/// Settings as an operator wrote them; [`Options::default`] holds etcd's defaults.
///
/// A field left `None` takes a value derived from others, as etcd does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// Human-readable name of this member.
    pub name: String,
    /// Directory of all durable state; by default `<name>.etcd`.
    pub data_dir: Option<String>,
    /// Comma-separated URLs to serve clients on.
    pub listen_client_urls: Option<String>,
    /// Comma-separated client URLs to tell others.
    pub advertise_client_urls: Option<String>,
    /// Comma-separated URLs to serve peers on.
    pub listen_peer_urls: String,
    /// Comma-separated peer URLs to tell others.
    pub initial_advertise_peer_urls: String,
    /// `name=url,…` of all members at bootstrap; by default this member alone.
    pub initial_cluster: Option<String>,
    /// `new` or `existing`.
    pub initial_cluster_state: String,
    /// Mixed into member and cluster IDs at bootstrap.
    pub initial_cluster_token: String,
    /// Milliseconds between heartbeats of a leader.
    pub heartbeat_interval: u64,
    /// Milliseconds without a heartbeat after which an election starts.
    pub election_timeout: u64,
    /// Applied entries between two snapshots of the log; 0 takes the default.
    pub snapshot_count: u64,
    /// Entries before a snapshot that stay in the log for followers that lag a little.
    pub snapshot_catchup_entries: u64,
    /// Whether changes of the membership that would endanger the quorum are refused.
    pub strict_reconfig_check: bool,
    /// How many learners there may be at a time.
    pub max_learners: u32,
    /// `debug`, `info`, `warn`, `error`, `panic` or `fatal`.
    pub log_level: String,
    /// Interval of progress notifications, a Go duration such as `10m`.
    pub watch_progress_notify_interval: String,
    /// Quota of the store in bytes: 0 takes the default (2 GiB), negative switches it off.
    pub quota_backend_bytes: i64,
    /// `simple`.
    pub auth_token: String,
    /// Seconds that a simple token lives without being used; 0 takes the default.
    pub auth_token_ttl: u32,
    /// Cost of hashing a new password, 4 to 31; each step doubles it.
    pub bcrypt_cost: u32,
}

impl Options {
    /// The default of the two client URL settings.
    pub const DEFAULT_CLIENT_URL: &str = "http://localhost:2379";
    /// The default of the two peer URL settings.
    pub const DEFAULT_PEER_URL: &str = "http://localhost:2380";
    /// The default of `snapshot_count`.
    pub const DEFAULT_SNAPSHOT_COUNT: u64 = 10_000;
    /// The default of `quota_backend_bytes`.
    pub const DEFAULT_QUOTA_BYTES: u64 = 2 * 1024 * 1024 * 1024;
    /// The default of `auth_token_ttl`.
    pub const DEFAULT_AUTH_TOKEN_TTL: u32 = 300;
}

impl Default for Options {
    fn default() -> Self {
        Self {
            name: "default".into(),
            data_dir: None,
            listen_client_urls: None,
            advertise_client_urls: None,
            listen_peer_urls: Self::DEFAULT_PEER_URL.into(),
            initial_advertise_peer_urls: Self::DEFAULT_PEER_URL.into(),
            initial_cluster: None,
            initial_cluster_state: "new".into(),
            initial_cluster_token: "etcd-cluster".into(),
            heartbeat_interval: 100,
            election_timeout: 1000,
            snapshot_count: Self::DEFAULT_SNAPSHOT_COUNT,
            snapshot_catchup_entries: 5_000,
            strict_reconfig_check: true,
            max_learners: 1,
            log_level: "info".into(),
            watch_progress_notify_interval: "10m".into(),
            quota_backend_bytes: 0,
            auth_token: "simple".into(),
            auth_token_ttl: Self::DEFAULT_AUTH_TOKEN_TTL,
            bcrypt_cost: 10,
        }
    }
}
