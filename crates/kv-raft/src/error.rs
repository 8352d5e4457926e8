use thiserror::Error;

/// Why a proposal is not known to be committed.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum ProposeError {
    /// No leader took it in time. It is in no log and never will be.
    #[error("no leader took the proposal")]
    NoLeader,
    /// As [`ProposeError::NoLeader`], and the disk of this member's log is full.
    #[error("the disk of the log is full")]
    NoSpace,
    /// The leader that took it lost its office. All that will ever be applied of what it took has been applied on
    /// this member; a proposal without an outcome here has none anywhere and may be made again.
    #[error("the leader that took the proposal has been superseded")]
    Superseded,
    /// It was handed to a leader and nothing was heard in time. It may be applied later.
    #[error("no answer to the proposal in time")]
    Unknown,
    /// This member has stopped. The proposal may be applied later.
    #[error("raft has stopped")]
    Stopped,
}

/// Why there is no read index.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum ReadIndexError {
    /// No leader is known.
    #[error("no leader")]
    NoLeader,
    /// The leader did not answer, or could not confirm in time that it still leads.
    #[error("the leader could not confirm its office in time")]
    Timeout,
    /// This member has stopped.
    #[error("raft has stopped")]
    Stopped,
}

/// Why a question to the leader has no answer.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum AskError {
    /// No leader is known.
    #[error("no leader")]
    NoLeader,
    /// The leader could not be reached, or did not answer in time. It may have acted on the question.
    #[error("no answer from the leader: {0}")]
    Lost(String),
    /// This member has stopped.
    #[error("raft has stopped")]
    Stopped,
}

/// Why a change of the membership or of the leader was not made.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum ChangeError {
    /// Another member leads, or none.
    #[error("this member does not lead")]
    NotLeader,
    /// The change is not one that can be made now; the text says why.
    #[error("{0}")]
    Refused(String),
    /// The change was begun and may or may not come into force.
    #[error("the outcome of the change is unknown")]
    Unknown,
    /// This member has stopped.
    #[error("raft has stopped")]
    Stopped,
}

/// Why Raft did not start.
#[derive(Debug, Error)]
pub enum StartError {
    /// The options contradict each other.
    #[error("raft options: {0}")]
    Options(String),
    /// Log and state machine do not fit together, or cannot be read.
    #[error("raft storage: {0}")]
    Storage(String),
    /// The directory for received snapshots cannot be used.
    #[error("snapshot directory {path}: {source}", path = path.display())]
    Directory {
        /// The directory.
        path: std::path::PathBuf,
        /// The operating system's answer.
        source: std::io::Error,
    },
}

/// Why a message of another member was not answered.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum ServiceError {
    /// The message is none this build understands.
    #[error("malformed {what} at byte {offset}")]
    Malformed {
        /// What was being read.
        what: &'static str,
        /// Where it went wrong.
        offset: usize,
    },
    /// The sender was removed from the cluster, for good.
    #[error("the member has been permanently removed from the cluster")]
    Removed,
    /// It does not belong here: what the sender takes for granted is not so.
    #[error("{0}")]
    Refused(String),
    /// This member has stopped.
    #[error("raft has stopped")]
    Stopped,
}
