//! Benchmarks: kvd and a real etcd in turn, under the same load, on the same disk, with the same flags.
//!
//! The servers run on one core and the load on another, so that neither takes time from the other. Figures of
//! one run are compared with each other only; what is printed is their ratio.

mod bounded;
mod cases;
mod compare;
mod failover;
mod load;
mod servers;
mod stats;

use std::path::PathBuf;

use anyhow::Result;
use clap::{Parser, Subcommand};

#[derive(Parser)]
#[command(about = "Benchmarks kvd and a real etcd in turn")]
struct Args {
    #[command(subcommand)]
    command: Option<Command>,
    /// The kvd to measure
    #[arg(long, global = true, default_value = "target/release/kvd")]
    kvd: PathBuf,
    /// The etcd to compare with
    #[arg(long, global = true, default_value = "target/peers/bin/etcd")]
    etcd: PathBuf,
    /// Where the servers' data goes: a disk, not memory
    #[arg(long, global = true, default_value = "target/bench-data")]
    data: PathBuf,
}

#[derive(Subcommand)]
enum Command {
    /// Throughput, memory, CPU and bytes written, kvd against etcd (the default)
    Compare(compare::Options),
    /// Writes much over little live data and prints memory, disk and the longest stall
    Bounded(bounded::Options),
    /// Kills leaders and prints how long until the next acknowledged write
    Failover(failover::Options),
}

fn main() -> Result<()> {
    let args = Args::parse();
    std::fs::create_dir_all(&args.data)?;
    servers::pin_this_process_to_load_core()?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()?;
    let places = servers::Places {
        kvd: args.kvd,
        etcd: args.etcd,
        data: args.data,
    };
    runtime.block_on(async {
        match args
            .command
            .unwrap_or_else(|| Command::Compare(compare::Options::default()))
        {
            Command::Compare(options) => compare::run(&places, &options).await,
            Command::Bounded(options) => bounded::run(&places, &options).await,
            Command::Failover(options) => failover::run(&places, &options).await,
        }
    })
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_sound() {
        Args::command().debug_assert();
        for line in [
            &["bench", "failover", "--runs", "3"][..],
            &["bench", "bounded", "--measure-etcd"],
            &["bench"],
        ] {
            Args::try_parse_from(line).unwrap();
        }
    }
}
