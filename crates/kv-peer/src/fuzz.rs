use kv_fuzz::{Memory, Target};
use kv_proto::kvd::peer::v1::Message;
use kv_types::{ClusterId, MemberId};
use prost::Message as _;
use tonic::metadata::{MetadataMap, MetadataValue};

use crate::Identity;

/// A message, and the metadata that say who sends it.
#[test]
fn messages_of_peers() {
    let identity = Identity {
        cluster: ClusterId::new(0xabc),
        member: MemberId::new(5),
    };
    let message = Message {
        body: vec![7; 50].into(),
    };
    let target = Target {
        name: "message",
        package: env!("CARGO_MANIFEST_DIR"),
        encodings: vec![message.encode_to_vec(), b"abc".to_vec(), b"5".to_vec()],
        memory: Memory {
            fixed: 16 << 10,
            per_byte: 20,
        },
    };
    target.run(|input| {
        if let Ok(message) = Message::decode(input) {
            let again = message.encode_to_vec();
            assert!(Message::decode(&again[..]).is_ok_and(|again| again == message));
        }
        let mut metadata = MetadataMap::new();
        identity.sign(&mut metadata, identity.member);
        assert!(
            identity
                .check(&metadata)
                .is_ok_and(|from| from == identity.member)
        );
        if let Ok(value) = MetadataValue::try_from(input) {
            metadata.insert("kvd-cluster-id", value);
            let number = std::str::from_utf8(input)
                .ok()
                .and_then(|text| u64::from_str_radix(text, 16).ok());
            assert_eq!(identity.check(&metadata).is_ok(), number == Some(0xabc));
        }
    });
}
