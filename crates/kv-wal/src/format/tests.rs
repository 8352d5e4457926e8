use super::*;

fn entry(payload: &'static [u8]) -> Record {
    Record {
        kind: Kind::Entry,
        index: 7,
        payload: Bytes::from_static(payload),
    }
}

const PLACE: Place = Place {
    segment: 3,
    offset: 128,
    batch: 64,
    previous: 9,
};

#[test]
fn record_reads_back_at_its_place_only() {
    let mut bytes = Vec::new();
    let crc = encode(&entry(b"hello"), PLACE, &mut bytes);
    assert_eq!(bytes.len(), 40);
    let found = decode(&bytes, 3, 128).unwrap();
    assert_eq!((found.place, found.kind, found.index), (PLACE, Kind::Entry, 7));
    assert_eq!((found.payload, found.crc, found.end()), (&b"hello"[..], crc, 168));
    assert!(decode(&bytes, 4, 128).is_none(), "another segment");
    assert!(decode(&bytes, 3, 136).is_none(), "another offset");
}

#[test]
fn every_flipped_bit_of_a_record_is_noticed() {
    let mut bytes = Vec::new();
    encode(&entry(b"12345678"), PLACE, &mut bytes);
    for bit in 0..bytes.len() * 8 {
        bytes[bit / 8] ^= 1 << (bit % 8);
        assert!(decode(&bytes, 3, 128).is_none(), "bit {bit}");
        bytes[bit / 8] ^= 1 << (bit % 8);
    }
}

#[test]
fn a_record_cut_short_is_none() {
    let mut bytes = Vec::new();
    encode(&entry(b"12345678"), PLACE, &mut bytes);
    for length in 0..bytes.len() {
        assert!(decode(&bytes[..length], 3, 128).is_none(), "{length} bytes");
    }
}

#[test]
fn segment_header_reads_back_and_notices_flipped_bits() {
    let header = SegmentHeader {
        number: 5,
        capacity: 8192,
        previous_end: 4000,
        opening_end: 200,
    };
    let mut bytes = header.encode();
    assert_eq!(SegmentHeader::decode(&bytes), HeaderRead::Valid(header));
    for bit in 0..bytes.len() * 8 {
        bytes[bit / 8] ^= 1 << (bit % 8);
        assert_eq!(SegmentHeader::decode(&bytes), HeaderRead::Bad, "bit {bit}");
        bytes[bit / 8] ^= 1 << (bit % 8);
    }
}

#[test]
fn a_newer_version_is_named_whatever_follows_it() {
    let mut bytes = [0xee; 64];
    bytes[..8].copy_from_slice(&MAGIC);
    bytes[8..12].copy_from_slice(&2_u32.to_le_bytes());
    let crc = crc32c::crc32c(&bytes[..12]);
    bytes[12..16].copy_from_slice(&crc.to_le_bytes());
    assert_eq!(SegmentHeader::decode(&bytes), HeaderRead::Newer(2));
}

#[test]
fn state_reads_back_whatever_is_missing_from_it() {
    let value = Bytes::from_static(b"value");
    for bits in 0..8 {
        let pick = |bit: u32| (bits >> bit & 1 == 1).then(|| value.clone());
        let purged = pick(2).map(|marker| Purged { up_to: 4, marker });
        let state = State {
            first: 5,
            end: 9,
            vote: pick(0),
            committed: pick(1),
            purged,
        };
        let bytes = encode_state(&state);
        assert_eq!(decode_state(&bytes), Some(state));
        for length in 0..bytes.len() {
            assert_eq!(decode_state(&bytes[..length]), None, "cut to {length}");
        }
    }
}

#[test]
fn segment_names_read_back_and_others_are_left_alone() {
    assert_eq!(segment_number(&segment_name(0xab)), Some(0xab));
    for name in [
        "wal-ab.log",
        "wal-00000000000000AB.log",
        "wal-00000000000000ab.tmp",
        "spare-1",
        "",
    ] {
        assert_eq!(segment_number(name), None, "{name}");
    }
}
