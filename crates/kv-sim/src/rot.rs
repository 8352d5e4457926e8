use kv_wal::Storage;
use kv_wal::faulty::{FaultyStorage, Random};

use crate::chance;

/// A bit of the log that has changed at rest.
#[derive(Clone, Debug)]
pub(crate) struct Rot {
    file: String,
    offset: usize,
    bit: u8,
}

impl Rot {
    /// Flips a bit in a segment that has a successor; none if there is no such segment. Damage to the last batch of
    /// all cannot be told from a torn write, which `kv_wal` says.
    pub(crate) fn strike(log: &FaultyStorage, random: &mut Random) -> Option<Self> {
        let mut segments = log.list().ok()?;
        segments.retain(|name| name.starts_with("wal-"));
        segments.sort();
        segments.pop();
        let at = random.below(segments.len().max(1) as u64);
        let file = segments.into_iter().nth(usize::try_from(at).ok()?)?;
        let length = log.contents(&file)?.len();
        let rot = Self {
            file,
            offset: chance::index(random, length),
            bit: 1 << random.below(8),
        };
        rot.flip(log);
        Some(rot)
    }

    /// Flips the bit back, if the segment is still there.
    pub(crate) fn mend(&self, log: &FaultyStorage) {
        self.flip(log);
    }

    /// Only while nobody has the log open.
    fn flip(&self, log: &FaultyStorage) {
        if let Some(mut bytes) = log.contents(&self.file)
            && let Some(byte) = bytes.get_mut(self.offset)
        {
            *byte ^= self.bit;
            log.replace(&self.file, bytes);
        }
    }
}
