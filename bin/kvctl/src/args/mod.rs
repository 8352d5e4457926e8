//! The command line: what all commands share.

pub(crate) mod complaint;
pub(crate) mod environment;
pub(crate) mod flag;
pub(crate) mod global;

use clap::{ArgMatches, Command};

use crate::commands;

/// The whole command line.
pub(crate) fn cli() -> Command {
    Command::new("kvctl")
        .version(env!("CARGO_PKG_VERSION"))
        .about("The command line client of kvd, and of anything else that speaks the etcd v3 API")
        .subcommand_required(true)
        .arg_required_else_help(true)
        .infer_subcommands(true)
        .args_override_self(true)
        .args(global::arguments())
        .subcommands(commands::all())
}

/// What was given to the innermost command, which has the global flags too.
pub(crate) fn innermost(matches: &ArgMatches) -> &ArgMatches {
    let mut innermost = matches;
    while let Some((_, inner)) = innermost.subcommand() {
        innermost = inner;
    }
    innermost
}
