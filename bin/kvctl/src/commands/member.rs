use clap::{ArgMatches, Command};
use kv_client::kv_proto::etcdserverpb::MemberListRequest;

use super::get::is_serializable;
use crate::args::flag::{text, words};
use crate::args::global::Settings;
use crate::failure::{Failure, code};
use crate::print::Members;

pub(crate) fn command() -> Command {
    Command::new("member")
        .about("Members of the cluster")
        .subcommand_required(true)
        .arg_required_else_help(true)
        .subcommand(
            Command::new("list")
                .about(
                    "Lists the members: ID, whether started, name, peer URLs, client URLs, whether a learner",
                )
                .args([
                    words(),
                    text("consistency", "l: linearizable, s: serializable").default_value("l"),
                ]),
        )
}

pub(crate) async fn run(given: &ArgMatches, settings: &Settings) -> Result<(), Failure> {
    match given.subcommand() {
        Some((_, given)) => list(given, settings).await,
        None => Ok(()),
    }
}

async fn list(given: &ArgMatches, settings: &Settings) -> Result<(), Failure> {
    let request = MemberListRequest {
        linearizable: !is_serializable(given)?,
    };
    let response = settings.client()?.member_list(request).await;
    let response = response.map_err(|error| Failure::call(code::ERROR, &error))?;
    settings.style.render(&Members(response)).print()
}
