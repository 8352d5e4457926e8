//! Differential runs: kvd beside a real etcd.

use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, bail};

use crate::peers::build_etcd;
use crate::run::{cargo, command};

/// Unless `--ops` says otherwise.
const OPS: u64 = 1_000_000;
/// Pairs of servers at work at a time: while one waits for a watcher, others use the processors.
const PAIRS: &str = "8";

/// `[--ops N] [--seed S]`; without a seed each run has another one, which its last line tells.
pub(crate) fn run(args: &[&str]) -> Result<()> {
    let (mut ops, mut seed) = (OPS, None);
    for pair in args.chunks(2) {
        match pair {
            ["--ops", number] => ops = number.parse().context("--ops takes a number")?,
            ["--seed", number] => seed = Some(number.parse::<u64>().context("--seed takes a number")?),
            _ => bail!("diff takes [--ops N] [--seed S]"),
        }
    }
    cargo(&["build", "--release", "--package", "kvd", "--package", "kv-diff"])?;
    build_etcd()?;
    let seed = seed.map_or_else(seed_of_now, Ok)?;
    command("target/release/kv-diff")
        .args([ops.to_string().as_str(), seed.to_string().as_str(), PAIRS])
        .env("REAL_ETCD", "target/peers/bin/etcd")
        .run()
}

fn seed_of_now() -> Result<u64> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH)?;
    Ok(now.as_secs())
}
