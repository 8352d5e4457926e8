use anyhow::{Context, Result};

/// The largest amount of memory a process has had, in MiB.
///
/// # Errors
/// If it has ended.
pub fn peak_mib(pid: u32) -> Result<u64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib = line.and_then(|line| line.split_whitespace().next());
    Ok(kib.context("no VmHWM")?.parse::<u64>()? / 1024)
}
