//! Consensus on openraft: log store, state machine adapter, snapshots, membership.
