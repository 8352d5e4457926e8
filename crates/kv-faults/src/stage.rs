use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

/// Programs of the system that are used.
const PROGRAMS: [&str; 14] = [
    "cc",
    "env",
    "sh",
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

/// Becomes this program again, in a network and with mounts of its own.
///
/// # Errors
/// If something is missing, with its name.
pub(crate) fn enter_namespaces() -> Result<()> {
    let missing = missing();
    if !missing.is_empty() {
        bail!("missing: {}", missing.join(", "));
    }
    let error = Command::new("unshare")
        .args(["--net", "--mount"])
        .arg(this_program()?)
        .arg("--guard")
        .args(std::env::args_os().skip(1))
        .exec();
    Err(error).context("run unshare")
}

/// Runs this program again as the first process of a namespace of processes: all that it starts there is ended by the
/// kernel together with it, and it ends with this one. Mounts and devices go when nobody uses them any more.
///
/// A process that writes to a frozen disk cannot even be killed. So a guard, outside, thaws the disks in `dir` when
/// this process is gone, however it went.
///
/// # Errors
/// If the program cannot be run.
pub(crate) fn run_inside(dir: &Path) -> Result<bool> {
    let run = std::process::id();
    let thaw = format!(
        "cat >/dev/null; for turn in 1 2 3; do for disk in {}/{run}/m?; do fsfreeze --unfreeze $disk; done; sleep 1; done",
        dir.display()
    );
    let guard = Command::new("sh")
        .args(["-c", &thaw])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        // Not of the terminal's, so that it outlives an interruption.
        .process_group(0)
        .spawn()
        .context("start the guard of the disks")?;
    let status = Command::new("setpriv")
        .args([
            "--pdeathsig",
            "KILL",
            "unshare",
            "--pid",
            "--fork",
            "--kill-child=KILL",
        ])
        .arg(this_program()?)
        .arg(format!("--inside={run}"))
        .args(std::env::args_os().skip(2))
        .status()
        .context("run setpriv")?;
    drop(guard);
    Ok(status.success())
}

fn this_program() -> Result<PathBuf> {
    std::env::current_exe().context("the path of this program")
}
