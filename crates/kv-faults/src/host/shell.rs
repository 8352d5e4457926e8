use std::process::Stdio;

use anyhow::{Context, Result, bail};
use tokio::process::Command;

/// Runs a program of the system to its end; what it printed.
///
/// # Errors
/// If it cannot be run, or fails, with what it printed.
pub(crate) async fn run(line: &str) -> Result<String> {
    let mut words = line.split_whitespace();
    let program = words.next().context("a program")?;
    let output = Command::new(program)
        .args(words)
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output()
        .await
        .with_context(|| format!("run {line}"))?;
    if !output.status.success() {
        let text = String::from_utf8_lossy(&output.stderr);
        bail!("{line} ended with {}: {}", output.status, text.trim());
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}
