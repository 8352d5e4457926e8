//! Differential runs: the same random requests to a real etcd and to kvd, whole answers compared.
//!
//! `kv-diff OPS SEED PAIRS` prints each difference as the smallest script that shows it, and ends with one line of
//! totals; its exit code is 1 if there was a difference. The programs are `REAL_ETCD` and `KVD_BIN`.

#![expect(
    clippy::result_large_err,
    reason = "an answer that does not fit is compared like any other, and there are few at a time"
)]

mod answer;
mod calls;
mod generate;
mod names;
mod op;
mod pair;
mod raw;
mod report;
mod shrink;
mod side;
mod symbol;
mod watching;
mod workers;

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::atomic::Ordering;

use anyhow::{Context, Result, bail};

use crate::pair::Programs;
use crate::workers::Plan;

#[tokio::main]
async fn main() -> Result<ExitCode> {
    let plan = plan()?;
    let totals = workers::run(plan.clone()).await?;
    let differences = totals.differences.load(Ordering::Relaxed);
    let ops = totals.ops.load(Ordering::Relaxed);
    println!("ops {ops} seed {} differences {differences}", plan.seed);
    Ok(if differences == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

fn plan() -> Result<Plan> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let [ops, seed, pairs] = &words[..] else {
        bail!("kv-diff OPS SEED PAIRS");
    };
    let etcd = PathBuf::from(std::env::var_os("REAL_ETCD").context("REAL_ETCD names a real etcd")?);
    let etcd = etcd
        .canonicalize()
        .with_context(|| format!("no etcd at {}", etcd.display()))?;
    let kvd = kv_tests::server_binary()?;
    Ok(Plan {
        programs: Programs { etcd, kvd },
        ops: ops.parse().context("OPS is a number")?,
        seed: seed.parse().context("SEED is a number")?,
        pairs: pairs.parse().context("PAIRS is a number")?,
    })
}
