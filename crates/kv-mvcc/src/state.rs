use std::sync::Arc;

use kv_types::Revision;

use crate::StoreError;
use crate::index::Index;

/// Everything a reader needs besides the rows: what a view holds and the writer changes. A clone is free.
#[derive(Clone, Debug)]
pub(crate) struct State {
    pub(crate) index: Index,
    /// The revision of the last change that was applied as a whole.
    pub(crate) revision: Revision,
    /// The last compaction.
    pub(crate) compacted: Option<Revision>,
    pub(crate) garbage: Garbage,
}

/// How far the versions that compactions do not keep are dropped.
#[derive(Clone, Debug, Default)]
pub(crate) struct Garbage {
    /// Every compaction up to this one is done with.
    pub(crate) collected: Option<Revision>,
    /// The walk through the keys that is under way.
    pub(crate) pass: Option<GarbagePass>,
}

/// A walk through all keys in order, for one compaction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct GarbagePass {
    pub(crate) at: Revision,
    /// The first key not done; none at the start.
    pub(crate) next: Option<Arc<[u8]>>,
}

impl State {
    pub(crate) fn new(record: StateRecord) -> Self {
        Self {
            index: Index::new(record.revision),
            revision: record.revision,
            compacted: record.compacted,
            garbage: Garbage::default(),
        }
    }

    /// What a checkpoint stores of this state.
    pub(crate) fn record(&self) -> StateRecord {
        StateRecord {
            revision: self.revision,
            compacted: self.compacted,
        }
    }

    /// The lowest revision of which everything is kept; below zero if nothing was compacted.
    pub(crate) fn compacted_or_before(&self) -> Revision {
        self.compacted.unwrap_or(NEVER_COMPACTED)
    }
}

/// What stands for "never compacted", in etcd's answers and in the state record.
pub(crate) const NEVER_COMPACTED: Revision = Revision::new(-1);

/// Where the state record is in the backend.
pub(crate) const STATE_KEY: &[u8] = b"s/state";

/// What is stored of the state; the rest is made from the rows. Written with every checkpoint:
///
/// | bytes | content |
/// |---|---|
/// | 0 | format, 1 |
/// | 1..9 | current revision, i64 little endian |
/// | 9..17 | last compaction, i64 little endian; −1 for none |
/// | 17..21 | CRC-32C of the bytes before, u32 little endian |
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct StateRecord {
    pub(crate) revision: Revision,
    pub(crate) compacted: Option<Revision>,
}

const STATE_FORMAT: u8 = 1;

impl StateRecord {
    /// That of a store nothing was ever written to.
    pub(crate) const FRESH: Self = Self {
        revision: Revision::INITIAL,
        compacted: None,
    };

    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut bytes = vec![STATE_FORMAT];
        bytes.extend(self.revision.get().to_le_bytes());
        bytes.extend(self.compacted.unwrap_or(NEVER_COMPACTED).get().to_le_bytes());
        bytes.extend(crc32c::crc32c(&bytes).to_le_bytes());
        bytes
    }

    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, StoreError> {
        let damaged = |reason: String| StoreError::State { reason };
        let Ok(&bytes) = <&[u8; 21]>::try_from(bytes) else {
            return Err(damaged(format!("{} bytes instead of 21", bytes.len())));
        };
        let (format, revision, compacted, crc) = split(bytes);
        if crc32c::crc32c(&bytes[..17]) != crc {
            return Err(damaged("its checksum does not match".to_owned()));
        }
        if format != STATE_FORMAT {
            return Err(damaged(format!("format {format} instead of {STATE_FORMAT}")));
        }
        let (revision, compacted) = (Revision::new(revision), Revision::new(compacted));
        if revision < Revision::INITIAL || compacted < NEVER_COMPACTED || compacted > revision {
            return Err(damaged(format!(
                "no store is at {revision}, compacted at {compacted}"
            )));
        }
        Ok(Self {
            revision,
            compacted: (compacted > NEVER_COMPACTED).then_some(compacted),
        })
    }
}

/// Cuts the record into format, revision, compaction and checksum.
fn split(bytes: [u8; 21]) -> (u8, i64, i64, u32) {
    let [format, rest @ ..] = bytes;
    let int = |at: usize| i64::from_le_bytes(std::array::from_fn(|i| rest[at + i]));
    (
        format,
        int(0),
        int(8),
        u32::from_le_bytes(std::array::from_fn(|i| rest[16 + i])),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIXTURE: StateRecord = StateRecord {
        revision: Revision::new(0x1234),
        compacted: None,
    };

    #[test]
    fn a_state_record_reads_back() {
        for record in [
            StateRecord::FRESH,
            FIXTURE,
            StateRecord {
                compacted: Some(Revision::ZERO),
                ..FIXTURE
            },
        ] {
            assert_eq!(StateRecord::decode(&record.encode()).unwrap(), record);
        }
    }

    #[test]
    fn a_record_written_before_still_reads() {
        let mut bytes = [
            1, 0x34, 0x12, 0, 0, 0, 0, 0, 0, 255, 255, 255, 255, 255, 255, 255, 255,
        ]
        .to_vec();
        bytes.extend(crc32c::crc32c(&bytes).to_le_bytes());
        assert_eq!(StateRecord::decode(&bytes).unwrap(), FIXTURE);
    }

    #[test]
    fn every_flipped_bit_is_noticed() {
        let good = FIXTURE.encode();
        for bit in 0..good.len() * 8 {
            let mut bad = good.clone();
            bad[bit / 8] ^= 1 << (bit % 8);
            assert!(StateRecord::decode(&bad).is_err());
        }
        assert!(StateRecord::decode(&good[..20]).is_err());
    }
}
