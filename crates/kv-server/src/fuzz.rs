use bytes::Bytes;
use kv_fuzz::{Memory, Target};
use kv_types::LeaseId;

use crate::leader_calls::{LeaderCall, decode_time_to_live, decode_ttl, encode_time_to_live, encode_ttl};
use crate::leases::LeaseTimeToLive;

#[test]
fn calls_to_the_leader() {
    let id = LeaseId::new(-7);
    let lease = LeaseTimeToLive {
        ttl_seconds: 5,
        granted_ttl_seconds: 9,
        keys: vec!["a".into(), "".into()],
    };
    let encodings = [
        LeaderCall::KeepAlive(id).encode(),
        LeaderCall::TimeToLive { id, keys: true }.encode(),
        encode_ttl(60),
        encode_time_to_live(Some(&lease)),
    ];
    let target = Target {
        name: "leader-call",
        package: env!("CARGO_MANIFEST_DIR"),
        encodings: encodings.iter().map(|bytes| bytes.to_vec()).collect(),
        memory: Memory {
            fixed: 4096,
            per_byte: 100,
        },
    };
    target.run(|input| {
        let input = Bytes::copy_from_slice(input);
        if let Some(call) = LeaderCall::decode(input.clone()) {
            assert_eq!(LeaderCall::decode(call.encode()), Some(call));
        }
        if let Some(ttl) = decode_ttl(input.clone()) {
            assert_eq!(decode_ttl(encode_ttl(ttl)), Some(ttl));
        }
        if let Some(lease) = decode_time_to_live(input) {
            assert_eq!(
                decode_time_to_live(encode_time_to_live(lease.as_ref())),
                Some(lease)
            );
        }
    });
}
