//! Flags from the environment: `ETCDCTL_` or `KVCTL_` and the flag's name in capitals. Where both are set, `KVCTL_`
//! counts. A flag that is also on the command line is a conflict, even with the same value: the reader of either
//! would be wrong about what counts. An empty variable is as good as none.

use std::collections::BTreeMap;
use std::error::Error as _;
use std::ffi::OsString;

use clap::{Arg, ArgMatches};

use super::flag::on_command_line;
use super::{cli, global};
use crate::failure::{Failure, code};
use crate::text::quote::quote;

const PREFIXES: [&str; 2] = ["KVCTL_", "ETCDCTL_"];
/// Variables that are no flags: the watch command reads two, and this module the version of the API.
const OTHERS: [&str; 3] = ["WATCH_KEY", "WATCH_RANGE_END", "API"];
/// What is not shown.
const SECRETS: [&str; 3] = ["user", "password", "auth-jwt-token"];

/// What the environment adds.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Found {
    /// Flags, as they would stand on the command line.
    pub(crate) arguments: Vec<OsString>,
    /// What looks as if it were meant and is not.
    pub(crate) warnings: Vec<String>,
}

/// Finds the flags that the environment sets.
///
/// # Errors
/// A variable that conflicts with the command line, one with a malformed value, a version of the API that is not
/// spoken.
pub(crate) fn read(
    given: &ArgMatches,
    variables: impl Iterator<Item = (OsString, OsString)>,
) -> Result<Found, Failure> {
    let mut ours = variables
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value)))
        .filter(|(name, value)| PREFIXES.iter().any(|prefix| name.starts_with(prefix)) && !value.is_empty())
        .collect::<BTreeMap<_, _>>();
    check_api(&ours)?;
    let mut found = Found::default();
    for flag in global::arguments() {
        let flag = flag.get_id().as_str().to_owned();
        let mut value = None;
        for prefix in PREFIXES {
            let name = format!("{prefix}{}", in_capitals(&flag));
            let Some(here) = ours.remove(&name) else { continue };
            if on_command_line(given, &flag) {
                let text = format!(
                    "conflicting environment variable {name} is shadowed by corresponding command-line flag \
                     (either unset environment variable or disable flag)"
                );
                return Err(Failure::new(code::ERROR, text));
            }
            value.get_or_insert((name, here));
        }
        if let Some((name, value)) = value {
            found.arguments.push(argument(&flag, &name, &value)?);
        }
    }
    for name in ours.into_keys() {
        let bare = PREFIXES.iter().find_map(|prefix| name.strip_prefix(prefix));
        if !bare.is_some_and(|bare| OTHERS.contains(&bare)) {
            found
                .warnings
                .push(format!("unrecognized environment variable {name}"));
        }
    }
    Ok(found)
}

fn check_api(ours: &BTreeMap<String, OsString>) -> Result<(), Failure> {
    match ours.get("ETCDCTL_API").map(|version| version.to_string_lossy()) {
        Some(version) if version == "2" => Err(Failure::new(
            code::ERROR,
            "ETCDCTL_API=2: the v2 API is not supported (unset it, or set it to 3)",
        )),
        Some(version) if version != "3" => Err(Failure::new(
            code::ERROR,
            format!("unsupported API version {version}"),
        )),
        _ => Ok(()),
    }
}

/// The flag with its value, once it is known that it will be understood.
fn argument(flag: &str, variable: &str, value: &OsString) -> Result<OsString, Failure> {
    let mut argument = OsString::from(format!("--{flag}="));
    argument.push(value);
    let words = ["kvctl".into(), argument.clone(), "version".into()];
    match cli().try_get_matches_from(words) {
        Ok(_) => Ok(argument),
        Err(error) => {
            let reason = error
                .source()
                .map_or("parse error".to_owned(), ToString::to_string);
            let value = quote(value.as_encoded_bytes());
            let text = format!("invalid value {value} for {variable}: {reason}");
            Err(Failure::new(code::ERROR, text))
        }
    }
}

fn in_capitals(flag: &str) -> String {
    flag.to_uppercase().replace('-', "_")
}

/// The flags as variables, with what they hold: what `--debug` prints.
pub(crate) fn show(given: &ArgMatches) -> Vec<String> {
    let mut flags = global::arguments()
        .iter()
        .map(Arg::get_id)
        .cloned()
        .collect::<Vec<_>>();
    flags.sort_by_key(|flag| in_capitals(flag.as_str()));
    let line = |flag: clap::Id| {
        let values = given.get_raw(flag.as_str()).into_iter().flatten();
        let values = values
            .map(|value| value.to_string_lossy())
            .collect::<Vec<_>>()
            .join(" ");
        let shown = match flag.as_str() {
            "endpoints" => format!("[{values}]"),
            secret if SECRETS.contains(&secret) && !values.is_empty() => "***".to_owned(),
            _ => values,
        };
        format!("ETCDCTL_{}={shown}", in_capitals(flag.as_str()))
    };
    flags.into_iter().map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args::innermost;

    fn found(line: &str, variables: &[(&str, &str)]) -> Result<Found, Failure> {
        let matches = cli().try_get_matches_from(line.split(' ')).unwrap();
        let variables = variables.iter().map(|(name, value)| (name.into(), value.into()));
        read(innermost(&matches), variables)
    }

    #[track_caller]
    fn check_refused(line: &str, variables: &[(&str, &str)], want: &str) {
        let failure = found(line, variables).unwrap_err();
        assert_eq!(failure, Failure::new(code::ERROR, want));
    }

    #[test]
    fn variables_become_flags_and_ours_win() {
        let variables = [
            ("ETCDCTL_ENDPOINTS", "a:1,b:2"),
            ("ETCDCTL_WRITE_OUT", "table"),
            ("KVCTL_WRITE_OUT", "json"),
            ("ETCDCTL_API", "3"),
            ("ETCDCTL_WATCH_KEY", "k"),
            ("KVCTL_HEX", ""),
            ("PATH", "/bin"),
        ];
        let found = found("kvctl get k", &variables).unwrap();
        assert_eq!(found.arguments, ["--endpoints=a:1,b:2", "--write-out=json"]);
        assert!(found.warnings.is_empty());
    }

    #[test]
    fn a_variable_that_a_flag_shadows_is_refused_and_an_empty_one_is_not() {
        let want = "conflicting environment variable ETCDCTL_HEX is shadowed by corresponding command-line flag \
                    (either unset environment variable or disable flag)";
        check_refused("kvctl get k --hex", &[("ETCDCTL_HEX", "true")], want);
        assert_eq!(
            found("kvctl get k --hex", &[("ETCDCTL_HEX", "")]),
            Ok(Found::default())
        );
    }

    #[test]
    fn unknown_variables_are_named_without_their_values() {
        let found = found("kvctl get k", &[("ETCDCTL_PASSWROD", "secret")]).unwrap();
        assert_eq!(
            found.warnings,
            ["unrecognized environment variable ETCDCTL_PASSWROD"]
        );
    }

    #[test]
    fn malformed_values_and_other_apis_are_refused() {
        check_refused(
            "kvctl get k",
            &[("ETCDCTL_DIAL_TIMEOUT", "abc")],
            r#"invalid value "abc" for ETCDCTL_DIAL_TIMEOUT: time: invalid duration "abc""#,
        );
        check_refused(
            "kvctl get k",
            &[("ETCDCTL_API", "4")],
            "unsupported API version 4",
        );
        let want = "ETCDCTL_API=2: the v2 API is not supported (unset it, or set it to 3)";
        check_refused("kvctl get k", &[("ETCDCTL_API", "2")], want);
    }
}
