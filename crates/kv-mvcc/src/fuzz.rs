use crate::state::StateRecord;
use kv_fuzz::{Memory, Target};
use kv_types::Revision;

/// Damage that the checksum cannot see, too.
#[test]
fn state_records() {
    let record = StateRecord {
        revision: Revision::new(9),
        compacted: Some(Revision::new(3)),
    };
    let target = Target {
        name: "state",
        package: env!("CARGO_MANIFEST_DIR"),
        encodings: vec![record.encode(), StateRecord::FRESH.encode()],
        memory: Memory {
            fixed: 4096,
            per_byte: 10,
        },
    };
    target.run(|input| {
        let body = &input[..input.len().min(17)];
        let sealed = [body, &crc32c::crc32c(body).to_le_bytes()].concat();
        for bytes in [input, &sealed] {
            if let Ok(record) = StateRecord::decode(bytes) {
                assert_eq!(record.encode(), bytes);
            }
        }
    });
}
