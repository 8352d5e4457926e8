use thiserror::Error;

/// Why settings were refused. Each text names the setting and what to do; etcd's wording where it has one.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum ConfigError {
    /// A URL list that cannot be read.
    #[error("invalid value {value:?} for --{flag}: {reason}")]
    Url {
        /// The setting.
        flag: &'static str,
        /// The text given.
        value: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A scheme that needs a certificate.
    #[error("invalid value {value:?} for --{flag}: scheme {scheme} is not supported yet, use http")]
    Scheme {
        /// The setting.
        flag: &'static str,
        /// The URL given.
        value: String,
        /// Its scheme.
        scheme: String,
    },
    /// `--listen-client-urls` without `--advertise-client-urls`.
    #[error("--advertise-client-urls is required when --listen-client-urls is set explicitly")]
    AdvertiseRequired,
    /// `--initial-cluster` does not follow `name=url,…`.
    #[error("error setting up initial cluster: {reason} (expected --initial-cluster name=url[,name=url…])")]
    InitialCluster {
        /// What is wrong, naming the item.
        reason: String,
    },
    /// The same URL twice in `--initial-cluster`.
    #[error("initial cluster {cluster} has duplicate url")]
    DuplicateUrl {
        /// The text given.
        cluster: String,
    },
    /// `--name` is not in `--initial-cluster`.
    #[error(
        "couldn't find local name {name:?} in the initial cluster configuration (add it to --initial-cluster, or correct --name)"
    )]
    NameNotInCluster {
        /// The name of this member.
        name: String,
    },
    /// `--initial-cluster` has a URL for this member that it does not advertise.
    #[error("--initial-cluster has {missing} but missing from --initial-advertise-peer-urls={advertised}")]
    NotAdvertised {
        /// `name=url` of the entry.
        missing: String,
        /// What is advertised.
        advertised: String,
    },
    /// This member advertises a URL that `--initial-cluster` has not for it.
    #[error("--initial-advertise-peer-urls has {missing} but missing from --initial-cluster={cluster}")]
    NotInCluster {
        /// The URL.
        missing: String,
        /// What `--initial-cluster` says of this member.
        cluster: String,
    },
    /// Not `new` or `existing`.
    #[error("invalid value {value:?} for --initial-cluster-state: expected \"new\" or \"existing\"")]
    ClusterState {
        /// The text given.
        value: String,
    },
    /// A heartbeat of zero.
    #[error("--heartbeat-interval must be >0 (set to 0ms)")]
    HeartbeatZero,
    /// The election timeout is too short for the heartbeat.
    #[error(
        "--election-timeout[{election}ms] should be at least as 5 times as --heartbeat-interval[{heartbeat}ms]"
    )]
    ElectionTooShort {
        /// Milliseconds.
        election: u64,
        /// Milliseconds.
        heartbeat: u64,
    },
    /// The election timeout is too long.
    #[error("--election-timeout[{election}ms] is too long, and should be set less than 50000ms")]
    ElectionTooLong {
        /// Milliseconds.
        election: u64,
    },
    /// A duration that cannot be read, or is out of bounds.
    #[error("invalid value {value:?} for --{flag}: {reason}")]
    Duration {
        /// The setting.
        flag: &'static str,
        /// The text given.
        value: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// An unknown log level.
    #[error("invalid value {value:?} for --log-level: expected debug, info, warn, error, panic or fatal")]
    LogLevel {
        /// The text given.
        value: String,
    },
    /// Tokens of a kind that is not known.
    #[error("invalid value {value:?} for --auth-token: {reason}")]
    AuthToken {
        /// The text given.
        value: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// A cost that bcrypt does not know.
    #[error("invalid value {value} for --bcrypt-cost: expected 4 to 31")]
    BcryptCost {
        /// The cost given.
        value: u32,
    },
    /// An empty data directory name.
    #[error("--data-dir must not be empty")]
    DataDirEmpty,
}
