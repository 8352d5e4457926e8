//! Raft messages and snapshots between members, over gRPC.
