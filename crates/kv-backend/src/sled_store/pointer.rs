//! The file that names the current generation.
//!
//! One line of text: `kvd backend format <format> generation <number> crc32 <eight hex digits>`, the checksum
//! being that of everything before ` crc32`. It is replaced as a whole: written beside, synced, renamed.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use super::precautions::sync_dir;
use crate::OpenError;

/// The format of everything in a home. A change of what the files mean needs a new number.
pub(super) const FORMAT: u32 = 1;

pub(super) fn path(home: &Path) -> PathBuf {
    home.join("CURRENT")
}

/// The current generation; `None` in a home that was never finished.
pub(super) fn read(home: &Path) -> Result<Option<u64>, OpenError> {
    let path = path(home);
    let text = match fs::read(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(OpenError::io("read", &path)(error)),
    };
    decode(&text, &path).map(Some)
}

/// Durable when it returns; a crash leaves the old pointer or the new one.
pub(super) fn write(home: &Path, generation: u64) -> Result<(), OpenError> {
    let path = path(home);
    let beside = home.join("CURRENT.tmp");
    let write = || -> io::Result<()> {
        let mut file = File::create(&beside)?;
        file.write_all(encode(generation).as_bytes())?;
        file.sync_all()?;
        fs::rename(&beside, &path)?;
        sync_dir(home)
    };
    write().map_err(OpenError::io("write", &path))
}

fn encode(generation: u64) -> String {
    let body = format!("kvd backend format {FORMAT} generation {generation}");
    let crc32 = crc32fast::hash(body.as_bytes());
    format!("{body} crc32 {crc32:08x}\n")
}

fn decode(text: &[u8], path: &Path) -> Result<u64, OpenError> {
    let damaged = || OpenError::Damaged {
        path: path.to_owned(),
        reason: "it does not name a generation".to_owned(),
    };
    let text = str::from_utf8(text).map_err(|_| damaged())?;
    let rest = text.strip_prefix("kvd backend format ").ok_or_else(damaged)?;
    let (format, rest) = rest.split_once(' ').ok_or_else(damaged)?;
    let found: u32 = format.parse().map_err(|_| damaged())?;
    // Before anything else: a newer format may have changed all that follows.
    if found > FORMAT {
        return Err(OpenError::NewerFormat {
            path: path.to_owned(),
            found,
            supported: FORMAT,
        });
    }
    let number = rest
        .strip_prefix("generation ")
        .and_then(|rest| rest.split(' ').next());
    let generation = number
        .and_then(|number| number.parse().ok())
        .ok_or_else(damaged)?;
    if text == encode(generation) {
        Ok(generation)
    } else {
        Err(damaged())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pointer_of_today_is_read_back() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(read(dir.path()).unwrap(), None);
        write(dir.path(), 17).unwrap();
        assert_eq!(read(dir.path()).unwrap(), Some(17));
    }

    #[test]
    fn the_pointer_of_format_one_is_read() {
        let line = b"kvd backend format 1 generation 42 crc32 92275fe4\n";
        assert_eq!(decode(line, Path::new("CURRENT")).unwrap(), 42);
    }

    #[test]
    fn a_newer_format_is_named_in_the_error() {
        let error = decode(b"kvd backend format 2 anything\n", Path::new("d/CURRENT")).unwrap_err();
        assert_eq!(
            error.to_string(),
            "backend at d/CURRENT has format 2, this program knows formats up to 1"
        );
    }

    #[test]
    fn every_bit_flip_in_the_pointer_is_noticed() {
        let line = encode(42).into_bytes();
        for bit in 0..line.len() * 8 {
            let mut flipped = line.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert!(decode(&flipped, Path::new("CURRENT")).is_err(), "bit {bit}");
        }
    }
}
