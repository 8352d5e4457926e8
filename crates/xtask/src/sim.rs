//! The simulation: built by itself, because tokio takes a seed for its own choices only with `--cfg tokio_unstable`.

use anyhow::{Result, bail};

use crate::run::{command, root};

/// Beside the other builds, whose flags differ.
const TARGET_DIR: &str = "target/sim";

/// `--seeds N [--from S]`, `--planted` or `--trace SEED`.
pub(crate) fn run(args: &[&str]) -> Result<()> {
    let words = match args {
        ["--seeds", number] => vec!["seeds", *number],
        ["--seeds", number, "--from", from] => vec!["seeds", *number, *from],
        ["--planted"] => vec!["planted"],
        ["--trace", seed] => vec!["trace", *seed],
        _ => bail!("sim takes --seeds N [--from S], --planted, or --trace SEED"),
    };
    build()?;
    let program = root().join(TARGET_DIR).join("sim").join("kv-sim");
    command(&program.to_string_lossy()).args(words).run()
}

fn build() -> Result<()> {
    let given = std::env::var("RUSTFLAGS").unwrap_or_default();
    command("cargo")
        .args([
            "build",
            "--profile",
            "sim",
            "--package",
            "kv-sim",
            "--features",
            "planted",
        ])
        .env("CARGO_TARGET_DIR", TARGET_DIR)
        .env("RUSTFLAGS", &format!("{given} --cfg tokio_unstable"))
        .run()
}
