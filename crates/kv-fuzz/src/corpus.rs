use std::path::{Path, PathBuf};
use std::{fs, io};

/// Inputs that are kept: encodings of earlier builds, and what was found.
#[derive(Debug)]
pub(crate) struct Corpus(PathBuf);

impl Corpus {
    pub(crate) fn of(package: &str, target: &str) -> Self {
        Self(Path::new(package).join("corpus").join(target))
    }

    /// All inputs, in the order of their names; none if there is no such directory.
    pub(crate) fn inputs(&self) -> io::Result<Vec<Vec<u8>>> {
        let entries = match fs::read_dir(&self.0) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            entries => entries?,
        };
        let mut paths = entries
            .map(|entry| Ok(entry?.path()))
            .collect::<io::Result<Vec<_>>>()?;
        paths.sort();
        paths.iter().map(fs::read).collect()
    }

    /// Keeps an input under a name that follows from it.
    pub(crate) fn add(&self, input: &[u8]) -> io::Result<PathBuf> {
        fs::create_dir_all(&self.0)?;
        let path = self.0.join(format!("{:016x}", fingerprint(input)));
        fs::write(&path, input)?;
        Ok(path)
    }
}

/// FNV-1a, 64 bits.
fn fingerprint(input: &[u8]) -> u64 {
    let step = |hash: u64, byte: &u8| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
    input.iter().fold(0xcbf2_9ce4_8422_2325, step)
}
