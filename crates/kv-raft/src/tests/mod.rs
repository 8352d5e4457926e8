//! Members in one process: logs on disks in memory, a state machine in memory, a network that does what it is told.

mod cluster;
mod disk;
mod disks;
mod elections;
mod failures;
mod machine;
mod membership;
mod network;
mod reads;
mod snapshots;
mod storage_suite;
