use clap::error::ErrorKind;
use clap::{CommandFactory, FromArgMatches, Parser};
use kv_config::Options;

/// The flags, with etcd's names and defaults.
#[derive(Debug, Parser)]
#[command(
    name = "kvd",
    about = "A Raft-backed key-value store that speaks the etcd v3 API",
    disable_version_flag = true,
    args_override_self = true
)]
struct Flags {
    /// Human-readable name of this member
    #[arg(long, default_value_t = Options::default().name)]
    name: String,
    /// Directory of all durable state [default: NAME.etcd]
    #[arg(long)]
    data_dir: Option<String>,
    /// URLs to serve clients on, comma-separated [default: http://localhost:2379]
    #[arg(long)]
    listen_client_urls: Option<String>,
    /// Client URLs to tell others [default: http://localhost:2379]
    #[arg(long)]
    advertise_client_urls: Option<String>,
    /// URLs to serve peers on, comma-separated
    #[arg(long, default_value_t = Options::default().listen_peer_urls)]
    listen_peer_urls: String,
    /// Peer URLs to tell others
    #[arg(long, default_value_t = Options::default().initial_advertise_peer_urls)]
    initial_advertise_peer_urls: String,
    /// All members at bootstrap, as name=url,… [default: this member alone]
    #[arg(long)]
    initial_cluster: Option<String>,
    /// Whether the cluster is made now ("new") or exists ("existing")
    #[arg(long, default_value_t = Options::default().initial_cluster_state)]
    initial_cluster_state: String,
    /// Mixed into member and cluster IDs at bootstrap
    #[arg(long, default_value_t = Options::default().initial_cluster_token)]
    initial_cluster_token: String,
    /// Milliseconds between heartbeats of a leader
    #[arg(long, default_value_t = Options::default().heartbeat_interval)]
    heartbeat_interval: u64,
    /// Milliseconds without a heartbeat after which an election starts
    #[arg(long, default_value_t = Options::default().election_timeout)]
    election_timeout: u64,
    /// Applied entries between two snapshots of the log
    #[arg(long, default_value_t = Options::DEFAULT_SNAPSHOT_COUNT)]
    snapshot_count: u64,
    /// Entries before a snapshot that stay in the log for members that lag a little
    #[arg(long, default_value_t = Options::default().snapshot_catchup_entries)]
    snapshot_catchup_entries: u64,
    /// Refuse changes of the membership that would endanger the quorum
    #[arg(long, default_value_t = true, num_args = 0..=1, default_missing_value = "true", require_equals = true, action = clap::ArgAction::Set)]
    strict_reconfig_check: bool,
    /// How many learners there may be at a time
    #[arg(long, default_value_t = Options::default().max_learners)]
    max_learners: u32,
    /// debug, info, warn, error, panic or fatal
    #[arg(long, default_value_t = Options::default().log_level)]
    log_level: String,
    /// Interval of progress notifications to watchers
    #[arg(long, default_value_t = Options::default().watch_progress_notify_interval)]
    watch_progress_notify_interval: String,
    /// Quota of the store in bytes; 0 means 2 GiB, negative switches it off
    #[arg(long, default_value_t = 0, allow_negative_numbers = true)]
    quota_backend_bytes: i64,
    /// Tokens that users get for their password: simple
    #[arg(long, default_value_t = Options::default().auth_token)]
    auth_token: String,
    /// Seconds that a simple token lives without being used
    #[arg(long, default_value_t = Options::DEFAULT_AUTH_TOKEN_TTL)]
    auth_token_ttl: u32,
    /// Cost of hashing a new password, 4 to 31; each step doubles it
    #[arg(long, default_value_t = Options::default().bcrypt_cost)]
    bcrypt_cost: u32,
    /// Print the version and end
    #[arg(long)]
    version: bool,
}

/// What the command line asks for.
#[derive(Debug, PartialEq)]
pub(crate) enum Request {
    /// Serve with these options.
    Serve(Box<Options>),
    /// Print the version.
    Version,
}

/// A command line that asks for nothing that can be done, or for help.
#[derive(Debug)]
pub(crate) struct Refusal {
    /// What to print.
    pub(crate) text: String,
    /// The exit code: 0 for help, 2 for flags that cannot be read, 1 for words that are no flags.
    pub(crate) code: u8,
}

/// Reads the command line, the program's own name not included.
///
/// As with Go's flags, `-name` and `--name` are the same, and the last of several wins.
pub(crate) fn parse(args: impl Iterator<Item = String>) -> Result<Request, Refusal> {
    let args = std::iter::once("kvd".to_owned()).chain(args.map(double_dash));
    let matches = Flags::command()
        .try_get_matches_from(args)
        .map_err(|error| refuse(&error))?;
    let flags = Flags::from_arg_matches(&matches).map_err(|error| refuse(&error))?;
    if flags.version {
        return Ok(Request::Version);
    }
    Ok(Request::Serve(Box::new(Options {
        name: flags.name,
        data_dir: flags.data_dir,
        listen_client_urls: flags.listen_client_urls,
        advertise_client_urls: flags.advertise_client_urls,
        listen_peer_urls: flags.listen_peer_urls,
        initial_advertise_peer_urls: flags.initial_advertise_peer_urls,
        initial_cluster: flags.initial_cluster,
        initial_cluster_state: flags.initial_cluster_state,
        initial_cluster_token: flags.initial_cluster_token,
        heartbeat_interval: flags.heartbeat_interval,
        election_timeout: flags.election_timeout,
        snapshot_count: flags.snapshot_count,
        snapshot_catchup_entries: flags.snapshot_catchup_entries,
        strict_reconfig_check: flags.strict_reconfig_check,
        max_learners: flags.max_learners,
        log_level: flags.log_level,
        watch_progress_notify_interval: flags.watch_progress_notify_interval,
        quota_backend_bytes: flags.quota_backend_bytes,
        auth_token: flags.auth_token,
        auth_token_ttl: flags.auth_token_ttl,
        bcrypt_cost: flags.bcrypt_cost,
    })))
}

/// Turns Go's `-flag` into `--flag`; `-h` and negative numbers stay.
fn double_dash(arg: String) -> String {
    let flag = arg.strip_prefix('-').filter(|rest| rest.len() > 1);
    match flag.and_then(|rest| rest.chars().next()) {
        Some(first) if first.is_ascii_alphabetic() => format!("-{arg}"),
        _ => arg,
    }
}

fn refuse(error: &clap::Error) -> Refusal {
    let invalid = error
        .get(clap::error::ContextKind::InvalidArg)
        .map(ToString::to_string)
        .unwrap_or_default();
    let hint = "run 'kvd --help' for all flags";
    match error.kind() {
        ErrorKind::DisplayHelp => Refusal {
            text: error.to_string(),
            code: 0,
        },
        ErrorKind::UnknownArgument if invalid.starts_with('-') => Refusal {
            text: format!(
                "flag provided but not defined: -{}\n{hint}\n",
                invalid.trim_start_matches('-')
            ),
            code: 2,
        },
        ErrorKind::UnknownArgument => Refusal {
            text: format!("{invalid:?} is not a valid flag\n{hint}\n"),
            code: 1,
        },
        _ => Refusal {
            text: format!("{error}\n{hint}\n"),
            code: 2,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse_words(line: &str) -> Result<Request, Refusal> {
        parse(line.split_whitespace().map(str::to_owned))
    }

    fn refusal(line: &str) -> (u8, String) {
        let refusal = parse_words(line).unwrap_err();
        (refusal.code, refusal.text)
    }

    #[test]
    fn no_flags_means_the_defaults() {
        assert_eq!(parse_words("").unwrap(), Request::Serve(Box::default()));
    }

    #[test]
    fn one_dash_two_dashes_and_equals_are_the_same_and_the_last_wins() {
        let expected = Options {
            name: "b".into(),
            quota_backend_bytes: -1,
            ..Options::default()
        };
        for line in [
            "--name b --quota-backend-bytes=-1",
            "-name=a -name b -quota-backend-bytes -1",
        ] {
            assert_eq!(
                parse_words(line).unwrap(),
                Request::Serve(Box::new(expected.clone())),
                "{line}"
            );
        }
        assert_eq!(parse_words("-version").unwrap(), Request::Version);
    }

    #[test]
    fn snapshots_are_paced_by_two_flags() {
        let expected = Options {
            snapshot_count: 500,
            snapshot_catchup_entries: 100,
            ..Options::default()
        };
        assert_eq!(
            parse_words("--snapshot-count 500 --snapshot-catchup-entries 100").unwrap(),
            Request::Serve(Box::new(expected))
        );
    }

    #[test]
    fn unknown_flags_end_with_2_and_words_with_1() {
        let (code, text) = refusal("--bogus 1");
        assert_eq!(code, 2);
        assert!(
            text.starts_with("flag provided but not defined: -bogus"),
            "{text}"
        );
        let (code, text) = refusal("foo");
        assert_eq!(code, 1);
        assert!(text.starts_with("\"foo\" is not a valid flag"), "{text}");
        assert_eq!(refusal("--election-timeout abc").0, 2);
        assert_eq!(refusal("--help").0, 0);
    }
}
