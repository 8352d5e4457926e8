use clap::{ArgMatches, Command};
use kv_client::kv_proto::etcdserverpb::DowngradeRequest;
use kv_client::kv_proto::etcdserverpb::downgrade_request::DowngradeAction;

use crate::args::flag::{Given, words};
use crate::args::global::Settings;
use crate::failure::{Failure, code};
use crate::print::Downgraded;

pub(crate) fn command() -> Command {
    Command::new("downgrade")
        .about("Downgrades of the cluster to the version before")
        .subcommand_required(true)
        .arg_required_else_help(true)
        .subcommands([
            Command::new("validate")
                .about("Whether the cluster could be downgraded")
                .override_usage("kvctl downgrade validate [OPTIONS] VERSION")
                .arg(words()),
            Command::new("enable")
                .about("Begins a downgrade")
                .override_usage("kvctl downgrade enable [OPTIONS] VERSION")
                .arg(words()),
            Command::new("cancel").about("Gives a downgrade up").arg(words()),
        ])
}

/// The word of the command, and what it asks for.
fn request(given: &ArgMatches) -> Result<(&'static str, DowngradeRequest), Failure> {
    let (word, action, words) = match given.subcommand() {
        Some(("validate", given)) => ("validate", DowngradeAction::Validate, given.words_of()),
        Some(("enable", given)) => ("enable", DowngradeAction::Enable, given.words_of()),
        _ => ("cancel", DowngradeAction::Cancel, vec![bytes::Bytes::new()]),
    };
    let bad = |text| Err(Failure::new(code::BAD_ARGS, text));
    let version = match &words[..] {
        [] => return bad("TARGET_VERSION not provided"),
        [version] if version.is_empty() && word != "cancel" => {
            return bad("target version not provided");
        }
        [version] => String::from_utf8_lossy(version).into_owned(),
        _ => return bad("too many arguments"),
    };
    let action = action.into();
    Ok((word, DowngradeRequest { action, version }))
}

pub(crate) async fn run(given: &ArgMatches, settings: &Settings) -> Result<(), Failure> {
    settings.style.check::<Downgraded>()?;
    let (word, request) = request(given)?;
    let response = settings.client()?.downgrade(request).await;
    let response = response.map_err(|error| Failure::call(code::ERROR, &error))?;
    settings.style.render(&Downgraded { word, response }).print()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::testing::given;

    #[test]
    fn one_version_is_needed_except_to_cancel() {
        let asked = |words: &[&str]| request(&given(command(), words));
        let (word, request) = asked(&["downgrade", "enable", "3.5"]).unwrap();
        assert_eq!(
            (word, request.version.as_str(), request.action),
            ("enable", "3.5", 1)
        );
        let (word, request) = asked(&["downgrade", "cancel", "x"]).unwrap();
        assert_eq!(
            (word, request.version.as_str(), request.action),
            ("cancel", "", 2)
        );
        let want = Failure::new(code::BAD_ARGS, "TARGET_VERSION not provided");
        assert_eq!(asked(&["downgrade", "validate"]), Err(want));
        let want = Failure::new(code::BAD_ARGS, "too many arguments");
        assert_eq!(asked(&["downgrade", "validate", "3.5", "3.4"]), Err(want));
    }
}
