//! Snapshots between members: frames through a [`Transport`](crate::Transport) stream, each with its checksum, into
//! a file, from where they are installed. A transfer that breaks off goes on at the first frame that is missing.

mod incoming;
mod receive;
mod send;

use std::sync::Arc;

pub(crate) use incoming::Incoming;
pub(crate) use receive::Receiver;
pub(crate) use send::send;

use crate::SnapshotSource;

/// What openraft passes around as "the snapshot".
#[derive(Clone)]
pub(crate) enum SnapshotData {
    /// One of this member, to be sent.
    Own(Arc<dyn SnapshotSource>),
    /// One of another member, to be installed.
    Received(Arc<Incoming>),
}
