//! The command line client: etcdctl's commands, flags, output and exit codes, for kvd and anything else that speaks
//! the etcd v3 API.

mod args;
mod commands;
mod connection;
mod failure;
mod print;
mod secret;
mod text;

use std::env;
use std::ffi::OsString;
use std::process::ExitCode;

use args::global::Settings;
use args::{cli, complaint, environment, innermost};
use clap::ArgMatches;
use failure::{Failure, code};

fn main() -> ExitCode {
    let arguments: Vec<OsString> = env::args_os().collect();
    let given = match cli().try_get_matches_from(&arguments) {
        Ok(given) => given,
        Err(error) => return complaint::answer(&error),
    };
    run(&given, arguments)
        .err()
        .map_or(ExitCode::SUCCESS, Failure::report)
}

fn run(given: &ArgMatches, mut arguments: Vec<OsString>) -> Result<(), Failure> {
    if let Some(("version", _)) = given.subcommand() {
        return commands::version::run();
    }
    let found = environment::read(innermost(given), env::vars_os())?;
    for warning in &found.warnings {
        eprintln!("Warning: {warning}");
    }
    // What the environment says is read as if it stood in front of everything else.
    arguments.splice(1..1, found.arguments);
    let given = cli()
        .try_get_matches_from(&arguments)
        .map_err(|error| Failure::new(code::ERROR, complaint::text(&error)))?;
    let innermost = innermost(&given);
    if args::flag::Given::on(innermost, "debug") {
        environment::show(innermost)
            .iter()
            .for_each(|line| eprintln!("{line}"));
    }
    let settings = Settings::new(innermost)?;
    let Some((name, given)) = given.subcommand() else {
        return Ok(());
    };
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::new(code::ERROR, format!("start runtime: {error}")))?
        .block_on(commands::run(name, given, &settings))
}
