//! What the members live in: network namespaces with a relay between them, file systems of their own.

mod disk;
mod network;
mod relay;
mod shell;

pub(crate) use disk::{Disk, DiskFault};
pub(crate) use network::{CLIENTS, MEMBERS, Network, address};
pub(crate) use relay::Link;
pub(crate) use shell::run;
