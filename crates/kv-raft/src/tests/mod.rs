//! Members in one process: real logs on disk, a state machine in memory, a network that does what it is told.

mod cluster;
mod elections;
mod failures;
mod machine;
mod network;
mod reads;
mod snapshots;
mod storage_suite;
