use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::host::run;

/// Comes between a process and its C library; says itself how it is switched.
const SOURCE: &str = include_str!("../../../../tests/faults/disk.c");

const EIO: u32 = 5;

/// Makes one process's disk slow, or makes it fail.
#[derive(Debug)]
pub(crate) struct Shim {
    library: PathBuf,
    switch: PathBuf,
}

/// What syncs and writes do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Behaviour {
    pub(crate) sync_delay_millis: u32,
    pub(crate) syncs_fail: bool,
    pub(crate) writes_fail: bool,
}

impl Shim {
    /// Builds it in `dir` for one member.
    ///
    /// # Errors
    /// If there is no C compiler, or the file cannot be written.
    pub(crate) async fn new(dir: &Path, member: usize) -> Result<Self> {
        let (source, library) = (dir.join("disk.c"), dir.join("disk.so"));
        if !library.exists() {
            std::fs::write(&source, SOURCE)?;
            let (source, library) = (source.display(), library.display());
            run(&format!("cc -O1 -shared -fPIC -o {library} {source} -ldl")).await?;
        }
        let shim = Self {
            library,
            switch: dir.join(format!("m{member}.switch")),
        };
        File::create(&shim.switch).with_context(|| format!("create {}", shim.switch.display()))?;
        shim.set(Behaviour::default())?;
        Ok(shim)
    }

    /// Changes what the process meets from now on.
    ///
    /// # Errors
    /// If the switch cannot be written.
    pub(crate) fn set(&self, behaviour: Behaviour) -> Result<()> {
        let error = |fails| if fails { EIO } else { 0 };
        let numbers = [
            behaviour.sync_delay_millis,
            error(behaviour.syncs_fail),
            error(behaviour.writes_fail),
        ];
        let bytes: Vec<u8> = numbers.iter().flat_map(|number| number.to_ne_bytes()).collect();
        // In place: the process has the file mapped.
        let file = File::options().write(true).open(&self.switch)?;
        Ok(file.write_all_at(&bytes, 0)?)
    }

    /// What comes before a program's name to start it behind this.
    pub(crate) fn prefix(&self) -> [String; 3] {
        [
            "env".to_owned(),
            format!("LD_PRELOAD={}", self.library.display()),
            format!("FAULTY_DISK={}", self.switch.display()),
        ]
    }
}
