use bytes::Bytes;
use prost::Message;

use super::Generator;
use crate::op::Op;

const METHODS: &[&str] = &[
    "/etcdserverpb.KV/Range",
    "/etcdserverpb.KV/Put",
    "/etcdserverpb.KV/DeleteRange",
    "/etcdserverpb.KV/Txn",
    "/etcdserverpb.KV/Compact",
    "/etcdserverpb.Lease/LeaseGrant",
    "/etcdserverpb.Lease/LeaseRevoke",
    "/etcdserverpb.Lease/LeaseTimeToLive",
    "/etcdserverpb.Cluster/MemberList",
];

/// A field number of zero, wire types that do not exist, a length beyond the end, a varint without an end, one that is
/// too long, a group that was not begun.
const NOT_FIELDS: &[&[u8]] = &[
    b"\x00\x00",
    b"\xa6\x01",
    b"\xa7\x01",
    b"\xa2\x01\x05abc",
    b"\xa0\x01\x80",
    b"\xa0\x01\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01",
    b"\xa4\x01",
];

const NOT_METHODS: &[&str] = &["/etcdserverpb.KV/None", "/etcdserverpb.None/Range", "/none/none"];

impl Generator {
    /// A request that no client library would send, and that no decoder takes: one that is lenient where another is
    /// strict would make the two stores differ from here on.
    pub(super) fn malformed(&mut self) -> Op {
        let mut message = match self.below(3) {
            0 => self.range().encode_to_vec(),
            1 => self.put().encode_to_vec(),
            _ => self.txn(0).encode_to_vec(),
        };
        message.extend_from_slice(self.pick(NOT_FIELDS));
        let path = match self.chance(10) {
            true => self.pick(NOT_METHODS),
            false => self.pick(METHODS),
        };
        Op::Raw {
            path: path.to_owned(),
            message: Bytes::from(message),
        }
    }
}
