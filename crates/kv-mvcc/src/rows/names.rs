use kv_types::{Revision, RowRevision};

use crate::block::{BlockId, PartKind};

const PREFIX_BYTES: usize = 4;
const NAME_BYTES: usize = PREFIX_BYTES + 8 + 4 + 8;

/// What the keys of these parts begin with, and the first key after them.
pub(super) fn bounds(kind: PartKind) -> (&'static [u8; PREFIX_BYTES], &'static [u8; PREFIX_BYTES]) {
    match kind {
        PartKind::Info => (b"b/i/", b"b/i0"),
        PartKind::Keys => (b"b/k/", b"b/k0"),
        PartKind::Values => (b"b/v/", b"b/v0"),
    }
}

/// The backend key of a part.
pub(super) fn name(kind: PartKind, id: BlockId) -> Vec<u8> {
    let mut name = Vec::with_capacity(NAME_BYTES);
    name.extend_from_slice(bounds(kind).0);
    name.extend_from_slice(&id.first.main.get().to_be_bytes());
    name.extend_from_slice(&id.first.sub.to_be_bytes());
    name.extend_from_slice(&id.number.to_be_bytes());
    name
}

/// The block whose part has this backend key.
pub(super) fn parse(name: &[u8]) -> Option<BlockId> {
    let id: &[u8; NAME_BYTES] = name.try_into().ok()?;
    let (main, id) = id[PREFIX_BYTES..].split_first_chunk()?;
    let (sub, id) = id.split_first_chunk()?;
    let number = u64::from_be_bytes(id.try_into().ok()?);
    let first = RowRevision::new(Revision::new(i64::from_be_bytes(*main)), u32::from_be_bytes(*sub));
    Some(BlockId { first, number })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_sort_as_blocks_do_and_are_read_back() {
        let id = |main, sub, number| BlockId {
            first: RowRevision::new(Revision::new(main), sub),
            number,
        };
        let ids = [
            id(1, 9, 3),
            id(2, 0, 7),
            id(2, 1, 2),
            id(255, 0, 300),
            id(256, 0, 1),
            id(i64::MAX, 0, 0),
        ];
        for kind in [PartKind::Info, PartKind::Keys, PartKind::Values] {
            let names = ids.map(|id| name(kind, id));
            assert!(names.is_sorted());
            assert_eq!(names.clone().map(|name| parse(&name)), ids.map(Some));
            let (from, to) = bounds(kind);
            assert!(names.iter().all(|name| from[..] <= name[..] && name[..] < to[..]));
        }
        assert_eq!(parse(b"b/k/short"), None);
    }
}
