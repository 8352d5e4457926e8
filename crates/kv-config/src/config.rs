use std::path::PathBuf;
use std::time::Duration;

use kv_types::{ClusterId, Limits, MemberId};

use crate::auth::AuthConfig;
use crate::cluster::{ClusterState, InitialCluster};
use crate::urls::{PeerUrls, Url, parse_list, parse_listen_list};
use crate::{ConfigError, Options};

/// The checked configuration of one member.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// Name of this member.
    pub name: String,
    /// Directory of all durable state.
    pub data_dir: PathBuf,
    /// Where clients are served.
    pub listen_client_urls: Vec<Url>,
    /// The client URLs told to others.
    pub advertise_client_urls: Vec<Url>,
    /// Where peers are served.
    pub listen_peer_urls: Vec<Url>,
    /// The peer URLs told to others.
    pub advertise_peer_urls: PeerUrls,
    /// The members at bootstrap.
    pub initial_cluster: InitialCluster,
    /// Whether the members were named by the operator, not derived from this member alone.
    pub initial_cluster_given: bool,
    /// New cluster, or one that exists.
    pub initial_cluster_state: ClusterState,
    /// Time between heartbeats of a leader.
    pub heartbeat_interval: Duration,
    /// Time without a heartbeat after which an election starts.
    pub election_timeout: Duration,
    /// Applied entries between two snapshots of the log.
    pub snapshot_count: u64,
    /// Entries before a snapshot that stay in the log for followers that lag a little.
    pub snapshot_catchup_entries: u64,
    /// Interval of progress notifications to watchers.
    pub watch_progress_notify_interval: Duration,
    /// Quota of the store in bytes; `None` when it is switched off.
    pub quota_bytes: Option<u64>,
    /// Whether changes of the membership that would endanger the quorum are refused.
    pub strict_reconfig_check: bool,
    /// How many learners there may be at a time.
    pub max_learners: u32,
    /// Least severe level that is logged.
    pub log_level: LogLevel,
    /// Bounds on single requests.
    pub limits: Limits,
    /// How users prove who they are.
    pub auth: AuthConfig,
}

/// Least severe level that is logged, in etcd's words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogLevel {
    /// Everything, each request included.
    Debug,
    /// State changes.
    Info,
    /// The unexpected.
    Warn,
    /// What a person should look at.
    Error,
}

impl LogLevel {
    fn parse(text: &str) -> Result<Self, ConfigError> {
        match text {
            "debug" => Ok(Self::Debug),
            "info" => Ok(Self::Info),
            "warn" => Ok(Self::Warn),
            "error" | "dpanic" | "panic" | "fatal" => Ok(Self::Error),
            _ => Err(ConfigError::LogLevel { value: text.into() }),
        }
    }
}

impl Config {
    /// Checks `options` as a whole.
    ///
    /// # Errors
    /// The first setting that is wrong, in words that say what to write instead.
    pub fn from_options(options: &Options) -> Result<Self, ConfigError> {
        let (listen_client_urls, advertise_client_urls) = client_urls(options)?;
        let listen_peer_urls = parse_listen_list("listen-peer-urls", &options.listen_peer_urls)?;
        let advertise_peer_urls = parse_list(
            "initial-advertise-peer-urls",
            &options.initial_advertise_peer_urls,
        )?;
        let initial_cluster_state = ClusterState::parse(&options.initial_cluster_state)?;
        let token = &options.initial_cluster_token;
        let initial_cluster = match &options.initial_cluster {
            Some(text) => InitialCluster::parse(text, token)?,
            None => InitialCluster::alone(&options.name, advertise_peer_urls.clone(), token),
        };
        match initial_cluster_state {
            ClusterState::New => initial_cluster.check_advertised(&options.name, &advertise_peer_urls)?,
            ClusterState::Existing => {
                initial_cluster.member(&options.name)?;
            }
        }
        let (heartbeat_interval, election_timeout) = raft_timing(options)?;
        Ok(Self {
            name: options.name.clone(),
            data_dir: data_dir(options)?,
            listen_client_urls,
            advertise_client_urls,
            listen_peer_urls,
            advertise_peer_urls,
            initial_cluster,
            initial_cluster_given: options.initial_cluster.is_some(),
            initial_cluster_state,
            heartbeat_interval,
            election_timeout,
            snapshot_count: match options.snapshot_count {
                0 => Options::DEFAULT_SNAPSHOT_COUNT,
                count => count,
            },
            snapshot_catchup_entries: options.snapshot_catchup_entries,
            watch_progress_notify_interval: progress_interval(options)?,
            quota_bytes: match u64::try_from(options.quota_backend_bytes) {
                Ok(0) => Some(Options::DEFAULT_QUOTA_BYTES),
                Ok(bytes) => Some(bytes),
                Err(_) => None,
            },
            strict_reconfig_check: options.strict_reconfig_check,
            max_learners: options.max_learners,
            log_level: LogLevel::parse(&options.log_level)?,
            limits: Limits::default(),
            auth: AuthConfig::parse(options)?,
        })
    }

    /// The ID of this member if it bootstraps with the initial cluster.
    ///
    /// # Panics
    /// Never: a checked configuration names this member in its initial cluster.
    pub fn member_id(&self) -> MemberId {
        self.initial_cluster
            .member(&self.name)
            .expect("from_options checked the name")
            .id
    }

    /// The ID of the cluster the initial members make.
    pub fn cluster_id(&self) -> ClusterId {
        self.initial_cluster.id()
    }
}

fn client_urls(options: &Options) -> Result<(Vec<Url>, Vec<Url>), ConfigError> {
    if options.listen_client_urls.is_some() && options.advertise_client_urls.is_none() {
        return Err(ConfigError::AdvertiseRequired);
    }
    let default = Options::DEFAULT_CLIENT_URL;
    let listen = options.listen_client_urls.as_deref().unwrap_or(default);
    let advertise = options.advertise_client_urls.as_deref().unwrap_or(default);
    Ok((
        parse_listen_list("listen-client-urls", listen)?,
        parse_list("advertise-client-urls", advertise)?,
    ))
}

fn data_dir(options: &Options) -> Result<PathBuf, ConfigError> {
    match options.data_dir.as_deref() {
        Some("") => Err(ConfigError::DataDirEmpty),
        Some(dir) => Ok(dir.into()),
        None => Ok(format!("{}.etcd", options.name).into()),
    }
}

fn raft_timing(options: &Options) -> Result<(Duration, Duration), ConfigError> {
    let (heartbeat, election) = (options.heartbeat_interval, options.election_timeout);
    if heartbeat == 0 {
        return Err(ConfigError::HeartbeatZero);
    }
    if heartbeat.saturating_mul(5) > election {
        return Err(ConfigError::ElectionTooShort { election, heartbeat });
    }
    if election > 50_000 {
        return Err(ConfigError::ElectionTooLong { election });
    }
    Ok((Duration::from_millis(heartbeat), Duration::from_millis(election)))
}

/// The shortest interval of progress notifications, as etcd has it.
const PROGRESS_INTERVAL_MIN: Duration = Duration::from_millis(100);

fn progress_interval(options: &Options) -> Result<Duration, ConfigError> {
    let value = &options.watch_progress_notify_interval;
    let bad = |reason| ConfigError::Duration {
        flag: "watch-progress-notify-interval",
        value: value.clone(),
        reason,
    };
    let interval = parse_go_duration(value).ok_or_else(|| bad("expected a duration such as 5s or 10m"))?;
    if interval < PROGRESS_INTERVAL_MIN {
        return Err(bad("must be at least 100ms"));
    }
    Ok(interval)
}

/// Reads a non-negative Go duration: decimal numbers with units, as in `1h30m` or `1.5s`.
fn parse_go_duration(text: &str) -> Option<Duration> {
    if text == "0" {
        return Some(Duration::ZERO);
    }
    let mut rest = text.strip_prefix('+').unwrap_or(text);
    if rest.is_empty() {
        return None;
    }
    let mut total = 0.0;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let number: f64 = rest[..digits].parse().ok()?;
        rest = &rest[digits..];
        let unit = rest
            .find(|c: char| c.is_ascii_digit() || c == '.')
            .unwrap_or(rest.len());
        total += number
            * match &rest[..unit] {
                "ns" => 1e-9,
                "us" | "µs" | "μs" => 1e-6,
                "ms" => 1e-3,
                "s" => 1.0,
                "m" => 60.0,
                "h" => 3600.0,
                _ => return None,
            };
        rest = &rest[unit..];
    }
    Duration::try_from_secs_f64(total).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(change: impl FnOnce(&mut Options)) -> String {
        let mut options = Options::default();
        change(&mut options);
        Config::from_options(&options).unwrap_err().to_string()
    }

    #[test]
    fn defaults_are_etcds() {
        let config = Config::from_options(&Options::default()).unwrap();
        assert_eq!(config.data_dir, PathBuf::from("default.etcd"));
        assert_eq!(config.listen_client_urls[0].as_str(), "http://localhost:2379");
        assert_eq!(config.member_id().to_string(), "8e9e05c52164694d");
        assert_eq!(config.cluster_id().to_string(), "cdf818194e3a8c32");
        assert_eq!(config.election_timeout, Duration::from_secs(1));
        assert_eq!(config.watch_progress_notify_interval, Duration::from_secs(600));
        assert_eq!(config.quota_bytes, Some(2 << 30));
    }

    #[test]
    fn a_name_alone_makes_a_cluster_of_one() {
        let options = Options {
            name: "192.168.237.134".into(),
            ..Options::default()
        };
        let config = Config::from_options(&options).unwrap();
        assert_eq!(config.initial_cluster.members[0].name, "192.168.237.134");
    }

    #[test]
    fn each_wrong_setting_is_refused_by_name() {
        for (error, part) in [
            (
                refused(|o| o.listen_client_urls = Some("http://127.0.0.1:1".into())),
                "--advertise-client-urls is required",
            ),
            (
                refused(|o| o.initial_cluster = Some("x=http://localhost:2380".into())),
                "couldn't find local name \"default\"",
            ),
            (
                refused(|o| o.initial_cluster_state = "bogus".into()),
                "--initial-cluster-state",
            ),
            (
                refused(|o| o.heartbeat_interval = 0),
                "--heartbeat-interval must be >0",
            ),
            (
                refused(|o| o.election_timeout = 200),
                "--election-timeout[200ms] should be at least as 5 times",
            ),
            (
                refused(|o| o.election_timeout = 60_000),
                "--election-timeout[60000ms] is too long",
            ),
            (refused(|o| o.log_level = "loud".into()), "--log-level"),
            (
                refused(|o| o.watch_progress_notify_interval = "5".into()),
                "--watch-progress-notify-interval",
            ),
            (
                refused(|o| o.watch_progress_notify_interval = "1ms".into()),
                "at least 100ms",
            ),
            (
                refused(|o| o.data_dir = Some(String::new())),
                "--data-dir must not be empty",
            ),
        ] {
            assert!(error.contains(part), "{error}");
        }
    }

    #[test]
    fn go_durations_are_read() {
        for (text, seconds) in [
            ("5s", 5.0),
            ("1h30m", 5400.0),
            ("1.5s", 1.5),
            ("250ms", 0.25),
            ("0", 0.0),
        ] {
            assert_eq!(
                parse_go_duration(text),
                Some(Duration::from_secs_f64(seconds)),
                "{text}"
            );
        }
        for text in ["", "5", "s", "-5s", "5x", "1..2s"] {
            assert_eq!(parse_go_duration(text), None, "{text}");
        }
    }
}
