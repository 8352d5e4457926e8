//! Real members under fault: `crates/kv-faults`, which makes its own namespaces.

use std::process::Command;

use anyhow::{Context, Result};

use crate::peers;
use crate::run::{cargo, command, root};

const PROGRAM: &str = "target/release/kv-faults";

/// Builds what is needed and runs it. It ends when this program does, and all that it starts with it.
pub(crate) fn run(args: &[&str]) -> Result<()> {
    build()?;
    if args.windows(2).any(|pair| pair == ["--peer", "etcd"]) || args.contains(&"--peer=etcd") {
        peers::build_etcd()?;
    }
    command("setpriv")
        .args(["--pdeathsig", "KILL", PROGRAM])
        .args(args.iter().copied())
        .run()
}

/// What this machine lacks for it, if something.
pub(crate) fn missing() -> Result<Option<String>> {
    build()?;
    let output = Command::new(root().join(PROGRAM))
        .arg("--requirements")
        .output()
        .with_context(|| format!("run {PROGRAM}"))?;
    let text = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    Ok((!output.status.success()).then_some(text))
}

fn build() -> Result<()> {
    cargo(&["build", "--release", "--package", "kvd", "--package", "kv-faults"])
}
