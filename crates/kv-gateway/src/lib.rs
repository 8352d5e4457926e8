//! Plain HTTP beside gRPC: health, version, metrics.
