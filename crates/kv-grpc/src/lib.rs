//! The etcd v3 gRPC services over a member.
