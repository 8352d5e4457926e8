//! The flags that every command takes.

use std::time::Duration;

use clap::builder::ValueParser;
use clap::{Arg, ArgAction, ArgMatches};
use kv_client::Login;

use super::flag::{self, Given, duration, integer, switch, text};
use crate::failure::{Failure, code};
use crate::print::{Format, Style};
use crate::secret;

/// Request size that the Go client allows unless told otherwise.
const REQUEST_BYTES_MAX: usize = 2 << 20;

/// What the global flags and the environment say.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    pub(crate) endpoints: Vec<String>,
    pub(crate) style: Style,
    pub(crate) dial_timeout: Duration,
    pub(crate) command_timeout: Duration,
    pub(crate) keepalive_time: Duration,
    pub(crate) keepalive_timeout: Duration,
    pub(crate) request_bytes_max: usize,
    pub(crate) response_bytes_max: usize,
    pub(crate) login: Option<Login>,
}

/// The flags.
pub(crate) fn arguments() -> Vec<Arg> {
    let endpoints = Arg::new("endpoints")
        .long("endpoints")
        .help("Members to talk to, separated by commas")
        .value_name("ENDPOINTS")
        .action(ArgAction::Append)
        .value_delimiter(',')
        .allow_hyphen_values(true)
        .value_parser(ValueParser::string())
        .default_value("127.0.0.1:2379");
    let common = [
        endpoints,
        text("write-out", "How to print: fields, json, protobuf, simple, table")
            .short('w')
            .default_value("simple")
            .hide_default_value(false),
        switch("hex", "Print keys, values and IDs in hexadecimal"),
        duration(
            "command-timeout",
            "5s",
            "How long a command may take (watches, txn and most of lease: no limit)",
        ),
        switch("debug", "Say on standard error what the flags are"),
    ];
    let rare = [
        duration("dial-timeout", "2s", "How long one attempt to connect may take"),
        duration("keepalive-time", "2s", "How often a connection is probed"),
        duration("keepalive-timeout", "6s", "How long a probe may stay unanswered"),
        integer("max-request-bytes", "Largest request (0: 2 MiB)"),
        integer("max-recv-bytes", "Largest response (0: 2 GiB)"),
        switch("insecure-transport", "Without TLS").default_value("true"),
        switch("insecure-skip-tls-verify", "Not supported yet"),
        switch("insecure-discovery", "Of no effect").default_value("true"),
        text("cacert", "Not supported yet (TLS)"),
        text("cert", "Not supported yet (TLS)"),
        text("key", "Not supported yet (TLS)"),
        text(
            "user",
            "User, as name or name:password; asks for the password if there is none",
        ),
        text("password", "The user's password"),
        text("auth-jwt-token", "Token to use instead of a user"),
        text("discovery-srv", "Not supported yet (DNS)").short('d'),
        text("discovery-srv-name", "Not supported yet (DNS)"),
    ];
    let rare = rare.map(|argument| argument.hide_short_help(true));
    common
        .into_iter()
        .chain(rare)
        .map(|argument| argument.global(true).help_heading("Global options"))
        .collect()
}

impl Settings {
    /// Reads the global flags.
    ///
    /// # Errors
    /// Flags with values that are refused, and those that are not supported yet.
    pub(crate) fn new(given: &ArgMatches) -> Result<Self, Failure> {
        refuse_unsupported(given)?;
        let style = Style {
            format: Format::named(given.text_of("write-out"))?,
            hex: given.on("hex"),
        };
        let endpoints: Vec<String> = given
            .get_many("endpoints")
            .into_iter()
            .flatten()
            .cloned()
            .collect();
        if let Some(secure) = endpoints.iter().find(|endpoint| is_secure(endpoint)) {
            return Err(unsupported(&format!("endpoint {secure}"), "TLS"));
        }
        Ok(Self {
            endpoints,
            style,
            dial_timeout: duration_of(given, "dial-timeout"),
            command_timeout: duration_of(given, "command-timeout"),
            keepalive_time: duration_of(given, "keepalive-time"),
            keepalive_timeout: duration_of(given, "keepalive-timeout"),
            request_bytes_max: bytes_of(given, "max-request-bytes").unwrap_or(REQUEST_BYTES_MAX),
            response_bytes_max: bytes_of(given, "max-recv-bytes").unwrap_or(i32::MAX as usize),
            login: login(given)?,
        })
    }
}

/// Who the user is. A password that was not given is asked for.
fn login(given: &ArgMatches) -> Result<Option<Login>, Failure> {
    let [user, password, token] = ["user", "password", "auth-jwt-token"].map(|name| given.text_of(name));
    if !token.is_empty() {
        return Ok(Some(Login::Token(token.to_owned())));
    }
    if user.is_empty() {
        return Ok(None);
    }
    let (user, password) = match user.split_once(':') {
        Some((user, password)) if given.text_of("password").is_empty() => (user, password.to_owned()),
        _ if password.is_empty() => (user, secret::ask("Password: ")?),
        _ => (user, password.to_owned()),
    };
    Ok(Some(Login::Password {
        user: user.to_owned(),
        password,
    }))
}

fn duration_of(given: &ArgMatches, name: &str) -> Duration {
    given.get_one(name).copied().unwrap_or_default()
}

/// A number of bytes; zero and less stand for the default.
fn bytes_of(given: &ArgMatches, name: &str) -> Option<usize> {
    usize::try_from(given.integer_of(name))
        .ok()
        .filter(|bytes| *bytes > 0)
}

fn is_secure(endpoint: &str) -> bool {
    let endpoint = endpoint.trim();
    endpoint.starts_with("https://") || endpoint.starts_with("unixs://")
}

fn unsupported(what: &str, feature: &str) -> Failure {
    Failure::new(
        code::BAD_FEATURE,
        format!("{what}: {feature} is not supported yet"),
    )
}

fn refuse_unsupported(given: &ArgMatches) -> Result<(), Failure> {
    for name in ["cert", "key", "cacert"] {
        if given.text_of(name).is_empty() {
            if flag::on_command_line(given, name) {
                let text = format!("empty string is passed to --{name} option");
                return Err(Failure::new(code::BAD_ARGS, text));
            }
        } else {
            return Err(unsupported(&format!("--{name}"), "TLS"));
        }
    }
    if given.on("insecure-skip-tls-verify") {
        return Err(unsupported("--insecure-skip-tls-verify", "TLS"));
    }
    if !given.on("insecure-transport") {
        return Err(unsupported("--insecure-transport=false", "TLS"));
    }
    if !given.text_of("discovery-srv").is_empty() {
        return Err(unsupported("--discovery-srv", "discovery through DNS"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args::{cli, innermost};

    fn settings(line: &str) -> Result<Settings, Failure> {
        let matches = cli().try_get_matches_from(line.split(' ')).unwrap();
        Settings::new(innermost(&matches))
    }

    #[test]
    fn flags_may_stand_before_and_behind_the_command() {
        for line in [
            "kvctl --endpoints=a:1,b:2 -w json --hex get k --command-timeout=1m",
            "kvctl get k --hex --command-timeout 1m -wjson --endpoints a:1 --endpoints b:2",
            "kvctl get k --hex=true --hex=false --hex=1 -w=fields --write-out=json --endpoints=a:1,b:2 --command-timeout=60s",
        ] {
            let settings = settings(line).unwrap();
            assert_eq!(settings.endpoints, ["a:1", "b:2"], "{line}");
            assert_eq!(settings.style.format, Format::Json);
            assert!(settings.style.hex);
            assert_eq!(settings.command_timeout, Duration::from_secs(60));
            assert_eq!(settings.dial_timeout, Duration::from_secs(2));
        }
    }

    #[test]
    fn what_is_not_supported_is_refused_and_said() {
        for (flag, want) in [
            ("--cacert=ca.pem", "--cacert: TLS is not supported yet"),
            ("--cert=c.pem", "--cert: TLS is not supported yet"),
            (
                "--insecure-transport=false",
                "--insecure-transport=false: TLS is not supported yet",
            ),
            (
                "--insecure-skip-tls-verify",
                "--insecure-skip-tls-verify: TLS is not supported yet",
            ),
            (
                "--endpoints=h:1,https://h:2",
                "endpoint https://h:2: TLS is not supported yet",
            ),
            (
                "-d=example.org",
                "--discovery-srv: discovery through DNS is not supported yet",
            ),
            ("-w=xml", "unsupported output format"),
        ] {
            let failure = settings(&format!("kvctl get k {flag}")).unwrap_err();
            assert_eq!(failure, Failure::new(code::BAD_FEATURE, want));
        }
    }

    #[test]
    fn a_user_is_given_with_its_password_or_beside_it() {
        let password = |user: &str, password: &str| {
            Some(Login::Password {
                user: user.into(),
                password: password.into(),
            })
        };
        for (flags, want) in [
            ("--user=u:p:q", password("u", "p:q")),
            ("--user=u --password=p", password("u", "p")),
            ("--user=u:x --password=p", password("u:x", "p")),
            ("--user=u --auth-jwt-token=t", Some(Login::Token("t".into()))),
            ("--password=p", None),
        ] {
            assert_eq!(
                settings(&format!("kvctl get k {flags}")).unwrap().login,
                want,
                "{flags}"
            );
        }
    }

    #[test]
    fn empty_names_of_certificates_are_bad_arguments() {
        let failure = settings("kvctl get k --cacert=").unwrap_err();
        let want = "empty string is passed to --cacert option";
        assert_eq!(failure, Failure::new(code::BAD_ARGS, want));
    }
}
