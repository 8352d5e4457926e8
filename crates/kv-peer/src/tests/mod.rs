//! Members that talk over loopback connections.

mod cluster;
mod identity;
mod machine;
