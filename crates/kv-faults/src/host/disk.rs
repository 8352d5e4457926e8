use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::host::run;

/// Size of a member's file system: some segments of the log, and the store.
const DISK_BYTES: u64 = 1 << 30;

/// What is left to be filled by writing.
const WRITTEN_BYTES: u64 = 8 << 20;

/// What is wrong with a member's disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum DiskFault {
    /// Nothing can be written any more, and whoever writes waits.
    Stalled,
    /// There is no space left.
    Full,
}

/// A file system of a member's own: an image file, mounted where only this process and its children see it.
#[derive(Debug)]
pub(crate) struct Disk {
    mount: PathBuf,
}

impl Disk {
    /// Makes and mounts an empty one in `dir`.
    ///
    /// # Errors
    /// If the system refuses.
    pub(crate) async fn new(dir: &Path, member: usize) -> Result<Self> {
        let image = dir.join(format!("m{member}.img"));
        let mount = dir.join(format!("m{member}"));
        std::fs::create_dir_all(&mount)?;
        let file = std::fs::File::create(&image).with_context(|| format!("create {}", image.display()))?;
        file.set_len(DISK_BYTES)?;
        run(&format!("mkfs.ext4 -q -F -m 0 {}", image.display())).await?;
        run(&format!("mount -o loop {} {}", image.display(), mount.display())).await?;
        Ok(Self { mount })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.mount
    }

    /// Begins a fault.
    ///
    /// # Errors
    /// If the system refuses.
    pub(crate) async fn break_by(&self, fault: DiskFault) -> Result<()> {
        match fault {
            DiskFault::Stalled => {
                run(&format!("fsfreeze --freeze {}", self.mount.display())).await?;
            }
            DiskFault::Full => self.fill().await?,
        }
        Ok(())
    }

    /// Takes what is free: most of it at once, the rest by writing until there is no more.
    async fn fill(&self) -> Result<()> {
        let free = run(&format!("df --output=avail -B1 {}", self.mount.display())).await?;
        let free: u64 = free
            .split_whitespace()
            .last()
            .context("df tells what is free")?
            .parse()?;
        let ballast = self.ballast();
        let most = free.saturating_sub(WRITTEN_BYTES);
        if most > 0 {
            run(&format!("fallocate -l {most} {}", ballast.display())).await?;
        }
        let rest = run(&format!(
            "dd if=/dev/zero of={} bs=64k seek={}",
            ballast.display(),
            most >> 16
        ))
        .await;
        anyhow::ensure!(rest.is_err(), "the disk of {} has no end", self.mount.display());
        Ok(())
    }

    /// Ends it.
    ///
    /// # Errors
    /// If the system refuses.
    pub(crate) async fn mend(&self, fault: DiskFault) -> Result<()> {
        match fault {
            DiskFault::Stalled => {
                run(&format!("fsfreeze --unfreeze {}", self.mount.display())).await?;
            }
            DiskFault::Full => std::fs::remove_file(self.ballast())?,
        }
        Ok(())
    }

    /// Takes it away.
    ///
    /// # Errors
    /// If somebody still uses it.
    pub(crate) async fn unmount(&self) -> Result<()> {
        run(&format!("umount {}", self.mount.display())).await?;
        Ok(())
    }

    fn ballast(&self) -> PathBuf {
        self.mount.join("ballast")
    }
}
