//! Three real members under fault: processes in network namespaces of their own, each on a file system of its own,
//! with traffic from many clients. What the clients saw is checked round by round.
//!
//! - `stage`: the namespaces that all of it runs in, and ends with
//! - `host`: networks and disks that can fail
//! - `cluster`: the members
//! - `clients`: the traffic, which becomes a `history`
//! - `nemesis`: brings the faults and takes the times
//! - `round`: faults, healing, checking; then the next round on the same cluster
//! - `check`: whether the history may be

mod args;
mod check;
mod clients;
mod cluster;
mod history;
mod host;
mod nemesis;
mod round;
mod run;
mod stage;
mod traffic;

use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    let args = args::Args::parse();
    let result = if args.requirements {
        requirements()
    } else if args.inside.is_some() {
        run::run(&args)
    } else {
        stage::enter_namespaces().map(|()| true)
    };
    match result {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("faults: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Prints what is missing; whether nothing is.
fn requirements() -> anyhow::Result<bool> {
    let missing = stage::missing();
    println!("{}", missing.join(", "));
    Ok(missing.is_empty())
}
