//! A second chance after a failed flush.
//!
//! sled keeps its locks and threads after one, so the same files cannot be opened again in this process. They can be
//! under another name.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs;
use std::io;
use std::path::Path;

use super::precautions::sync_dir;

/// sled's background thread may still replace metadata files while they are linked.
const ATTEMPTS_MAX: usize = 20;

/// Makes `to` a database with the files of `from`, which no longer writes to them. Durable when it returns.
pub(super) fn link(from: &Path, to: &Path) -> io::Result<()> {
    let mut attempts = 0;
    loop {
        attempts += 1;
        match link_once(from, to) {
            Ok(true) => return Ok(()),
            Ok(false) if attempts < ATTEMPTS_MAX => {}
            Ok(false) => return Err(io::Error::other("its files keep changing")),
            Err(error) => return Err(error),
        }
    }
}

/// `false` if the names changed meanwhile.
fn link_once(from: &Path, to: &Path) -> io::Result<bool> {
    if to.exists() {
        fs::remove_dir_all(to)?;
    }
    fs::create_dir(to)?;
    for part in ["", "slabs", "metadata"] {
        let (from, to) = (from.join(part), to.join(part));
        if !part.is_empty() {
            fs::create_dir(&to)?;
        }
        let before = files(&from)?;
        for name in &before {
            match fs::hard_link(from.join(name), to.join(name)) {
                Ok(()) => {}
                Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
                Err(error) => return Err(error),
            }
        }
        if before != files(&from)? {
            return Ok(false);
        }
    }
    for dir in [
        &to.join("slabs"),
        &to.join("metadata"),
        to,
        to.parent().unwrap_or(to),
    ] {
        sync_dir(dir)?;
    }
    Ok(true)
}

fn files(dir: &Path) -> io::Result<BTreeSet<OsString>> {
    let mut names = BTreeSet::new();
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        if entry.file_type()?.is_file() {
            names.insert(entry.file_name());
        }
    }
    Ok(names)
}
