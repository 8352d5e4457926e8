use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail};

/// Programs of the system that are used.
const PROGRAMS: [&str; 11] = [
    "unshare",
    "nsenter",
    "setpriv",
    "ip",
    "mount",
    "mkfs.ext4",
    "fsfreeze",
    "fallocate",
    "df",
    "dd",
    "kill",
];

/// What is missing on this machine to run members under fault.
pub(crate) fn missing() -> Vec<String> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = |program: &&str| std::env::split_paths(&path).any(|dir| dir.join(program).is_file());
    let mut missing: Vec<String> = PROGRAMS
        .iter()
        .filter(|program| !found(program))
        .map(ToString::to_string)
        .collect();
    if !Path::new("/dev/net/tun").exists() {
        missing.push("/dev/net/tun".to_owned());
    }
    if !Path::new("/dev/loop-control").exists() {
        missing.push("/dev/loop-control".to_owned());
    }
    let namespaces = Command::new("unshare")
        .args(["--net", "--mount", "--pid", "--fork", "true"])
        .output();
    if !namespaces.is_ok_and(|output| output.status.success()) {
        missing.push("the right to make namespaces (root)".to_owned());
    }
    missing
}

/// Becomes this program again inside namespaces of its own. All that it starts there is ended by the kernel together
/// with it, however it ends; so are mounts and devices.
///
/// # Errors
/// If something is missing, with its name.
pub(crate) fn enter_namespaces() -> Result<()> {
    let missing = missing();
    if !missing.is_empty() {
        bail!("missing: {}", missing.join(", "));
    }
    let program = std::env::current_exe().context("the path of this program")?;
    let error = Command::new("unshare")
        .args([
            "--net",
            "--mount",
            "--pid",
            "--fork",
            "--kill-child=KILL",
            "--mount-proc",
        ])
        .arg(program)
        .arg(format!("--inside={}", std::process::id()))
        .args(std::env::args_os().skip(1))
        .exec();
    Err(error).context("run unshare")
}
