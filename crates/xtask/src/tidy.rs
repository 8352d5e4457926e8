use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::run::root;

mod unsafety;

/// A crate and the crates of the workspace it may depend on (dev-dependencies aside). A new arrow is an
/// architectural change: it is made here and in ARCHITECTURE.md.
const CRATE_MAP: &[(&str, &[&str])] = &[
    ("kv-types", &[]),
    ("kv-proto", &[]),
    ("kv-bbolt", &[]),
    ("kv-fuzz", &[]),
    ("kv-backend", &["kv-types"]),
    ("kv-wal", &["kv-types"]),
    ("kv-mvcc", &["kv-backend", "kv-types"]),
    ("kv-lease", &["kv-types"]),
    ("kv-watch", &["kv-mvcc", "kv-types"]),
    (
        "kv-snapshot",
        &["kv-auth", "kv-bbolt", "kv-machine", "kv-mvcc", "kv-types"],
    ),
    ("kv-auth", &["kv-types"]),
    (
        "kv-machine",
        &["kv-auth", "kv-backend", "kv-lease", "kv-mvcc", "kv-types"],
    ),
    ("kv-raft", &["kv-types", "kv-wal"]),
    ("kv-peer", &["kv-proto", "kv-raft", "kv-types"]),
    (
        "kv-server",
        &[
            "kv-auth",
            "kv-backend",
            "kv-lease",
            "kv-machine",
            "kv-mvcc",
            "kv-raft",
            "kv-snapshot",
            "kv-types",
            "kv-watch",
        ],
    ),
    (
        "kv-grpc",
        &[
            "kv-config",
            "kv-mvcc",
            "kv-proto",
            "kv-server",
            "kv-types",
            "kv-watch",
        ],
    ),
    (
        "kv-gateway",
        &["kv-grpc", "kv-mvcc", "kv-proto", "kv-server", "kv-types"],
    ),
    ("kv-config", &["kv-types"]),
    ("kv-client", &["kv-proto"]),
    ("kv-diff", &["kv-proto", "kv-tests"]),
    ("kv-faults", &["kv-client", "kv-proto", "kv-tests"]),
    (
        "kv-sim",
        &[
            "kv-backend",
            "kv-machine",
            "kv-mvcc",
            "kv-raft",
            "kv-server",
            "kv-types",
            "kv-wal",
            "kv-watch",
        ],
    ),
];

/// Checks what rustfmt and clippy do not: the crate map, trailing space, leftovers.
pub(crate) fn check() -> Result<()> {
    let mut faults = Vec::new();
    for (name, allowed) in CRATE_MAP {
        check_crate(name, allowed, &mut faults)?;
    }
    for file in tracked_files()? {
        check_file(&file, &mut faults);
        unsafety::check(&file, &mut faults)?;
    }
    if !faults.is_empty() {
        bail!("tidy:\n{}", faults.join("\n"));
    }
    Ok(())
}

fn check_crate(name: &str, allowed: &[&str], faults: &mut Vec<String>) -> Result<()> {
    let path = root().join("crates").join(name).join("Cargo.toml");
    let manifest = std::fs::read_to_string(&path).with_context(|| format!("read {}", path.display()))?;
    let dependencies = manifest
        .split("\n[")
        .find(|section| section.starts_with("dependencies]"))
        .unwrap_or("");
    for line in dependencies.lines() {
        let dependency = line.split(['.', ' ', '=']).next().unwrap_or("");
        if dependency.starts_with("kv-") && !allowed.contains(&dependency) {
            faults.push(format!("{name} may not depend on {dependency} (see CRATE_MAP)"));
        }
    }
    Ok(())
}

fn tracked_files() -> Result<Vec<String>> {
    let output = Command::new("git")
        .args(["ls-files"])
        .current_dir(root())
        .output()
        .context("git ls-files")?;
    Ok(String::from_utf8(output.stdout)?
        .lines()
        .map(str::to_owned)
        .collect())
}

fn check_file(file: &str, faults: &mut Vec<String>) {
    let source = [".rs", ".toml", ".md", ".proto", ".go", ".py", ".sh", ".yml"];
    if !source.iter().any(|ending| file.ends_with(ending)) {
        return;
    }
    // A file deleted but not committed yet is none of ours.
    let Ok(text) = std::fs::read_to_string(root().join(Path::new(file))) else {
        return;
    };
    for (number, line) in text.lines().enumerate() {
        if line.ends_with([' ', '\t']) {
            faults.push(format!("{file}:{}: trailing space", number + 1));
        }
    }
    if !text.is_empty() && !text.ends_with('\n') {
        faults.push(format!("{file}: no newline at the end"));
    }
}
