//! What sled forgets to sync, and the repair without which a power loss at the wrong moment empties it.

use std::fs::{self, File};
use std::io;
use std::path::Path;

use super::metadata;
use crate::OpenError;

/// The file sled writes its settings to when it creates a database.
const COOKIE: &str = "durability_cookie";

pub(super) fn sync_dir(dir: &Path) -> io::Result<()> {
    File::open(dir)?.sync_all()
}

/// After sled has created a database in `dir`: makes its files and their names durable. sled syncs its data, but
/// neither its settings file nor all of its directories.
pub(super) fn settle_new(dir: &Path) -> Result<(), OpenError> {
    let cookie = dir.join(COOKIE);
    File::open(&cookie)
        .and_then(|file| file.sync_all())
        .map_err(OpenError::io("sync", &cookie))?;
    for path in [
        &dir.join("metadata"),
        &dir.join("slabs"),
        dir,
        dir.parent().unwrap_or(dir),
    ] {
        sync_dir(path).map_err(OpenError::io("sync", path))?;
    }
    Ok(())
}

/// Before sled opens an existing database in `dir`: finishes what a crash during its last opening left undone, and
/// checks what sled would take for an empty or older database, or would panic or hang on.
///
/// On opening, sled writes `snapshot_N`, removes the logs it holds, and creates `log_{N+1}` without syncing the
/// directory. A snapshot without a later log makes its next opening remove the only snapshot. So that log is
/// created here.
pub(super) fn repair(dir: &Path) -> Result<(), OpenError> {
    for name in [COOKIE, "slabs"] {
        let path = dir.join(name);
        fs::metadata(&path).map_err(OpenError::io("open", &path))?;
    }
    let dir = dir.join("metadata");
    let listing = metadata::list(&dir)?;
    listing.check(&dir)?;
    let repair = || -> io::Result<()> {
        if listing.logs_after_snapshot().next().is_none() {
            let log = File::create(metadata::log_path(&dir, listing.snapshot + 1))?;
            log.sync_all()?;
        }
        // Also when nothing was missing: the crash may have come before sled's own sync.
        sync_dir(&dir)?;
        for stale in &listing.stale_snapshots {
            fs::remove_file(metadata::snapshot_path(&dir, *stale))?;
        }
        Ok(())
    };
    repair().map_err(OpenError::io("repair", &dir))
}
