use std::io;
use std::path::{Path, PathBuf};

use kv_types::{ClusterId, MemberId};
use thiserror::Error;

/// Why a member did not start. Nothing is left running, and nothing on disk is changed for the worse.
#[derive(Debug, Error)]
pub enum StartError {
    /// A file operation was refused.
    #[error("{attempt} {path}: {source}", path = path.display())]
    Io {
        /// What was attempted.
        attempt: &'static str,
        /// The file or directory.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Another process holds the data directory.
    #[error(
        "data directory is in use by another process (it holds {path}); stop that one, or choose another --data-dir",
        path = path.display()
    )]
    Locked {
        /// The lock.
        path: PathBuf,
    },
    /// The identity file is damaged.
    #[error("{path} is damaged; restore the data directory, or remove it and let this member join anew", path = path.display())]
    Identity {
        /// The file.
        path: PathBuf,
    },
    /// A newer program wrote the data directory.
    #[error("{path} has format {found}, this kvd reads formats up to {known}; use the newer kvd", path = path.display())]
    NewerFormat {
        /// The file that says so.
        path: PathBuf,
        /// The format found.
        found: u32,
        /// The newest format known.
        known: u32,
    },
    /// The data directory holds data of another cluster than the flags describe.
    #[error(
        "{dir} belongs to member {member} of cluster {cluster}, but the flags describe member {asked_member} of \
         cluster {asked_cluster}; choose another --data-dir, or mend --initial-cluster and --initial-cluster-token (or set \
         --initial-cluster-state=existing, with which they are not compared)",
        dir = dir.display()
    )]
    OtherCluster {
        /// The directory.
        dir: PathBuf,
        /// Whose data it is.
        member: MemberId,
        /// Of which cluster.
        cluster: ClusterId,
        /// Who was to be started.
        asked_member: MemberId,
        /// In which cluster.
        asked_cluster: ClusterId,
    },
    /// An address cannot be listened on.
    #[error("listen on {url}: {source}; stop what uses the address, or choose another --{flag}")]
    Listen {
        /// The flag with the URL.
        flag: &'static str,
        /// The URL.
        url: String,
        /// What the system said.
        source: io::Error,
    },
    /// The log cannot be opened.
    #[error("open the log in {dir}: {source}{advice}", dir = dir.display(), advice = log_advice(source))]
    Log {
        /// Its directory.
        dir: PathBuf,
        /// Why.
        source: kv_wal::OpenError,
    },
    /// The log is gone, and with it what this member has promised to the others.
    #[error(
        "the log in {dir} is missing, although this member has run before; restore the data directory, or remove \
         all of it and let this member join anew",
        dir = dir.display()
    )]
    LogMissing {
        /// Its directory.
        dir: PathBuf,
    },
    /// There are data, but the file that says whose they are is gone.
    #[error(
        "{path} is missing, although there are data of a member; restore it, or remove the whole data directory and \
         let this member join anew",
        path = path.display()
    )]
    IdentityMissing {
        /// The file.
        path: PathBuf,
    },
    /// The store cannot be opened.
    #[error("open the store in {dir}: {source}", dir = dir.display())]
    Store {
        /// Its directory.
        dir: PathBuf,
        /// Why.
        source: kv_server::MachineError,
    },
    /// The store is damaged, and the log does not reach back far enough to make a new one.
    #[error(
        "the store in {dir} is damaged ({source}), and cannot be made anew from the log, which begins after entry \
         {purged}; restore the data directory from a backup, or remove it and let this member join anew",
        dir = dir.display()
    )]
    StoreLost {
        /// Its directory.
        dir: PathBuf,
        /// The last entry the log does not have any more.
        purged: u64,
        /// What is damaged.
        source: kv_server::MachineError,
    },
    /// The store is older than the beginning of the log: entries are missing between them.
    #[error(
        "the store in {dir} {state}, but the log begins after entry {purged}: what lies between is missing; \
         restore the data directory from a backup, or remove it and let this member join anew",
        dir = dir.display(),
        state = applied.map_or("is empty".to_owned(), |applied| format!("ends at entry {applied}"))
    )]
    StoreBehindLog {
        /// The store's directory.
        dir: PathBuf,
        /// The last entry applied to it.
        applied: Option<u64>,
        /// The last entry the log does not have any more.
        purged: u64,
    },
    /// Raft did not start.
    #[error(transparent)]
    Raft(#[from] kv_raft::StartError),
    /// Nobody could be asked about the cluster that is to be joined.
    #[error(
        "cannot fetch cluster info from peer urls: could not retrieve cluster information from the given URLs{reasons}"
    )]
    NoCluster {
        /// What each of them said, if there are any.
        reasons: String,
    },
    /// The cluster has other members than the flags say.
    #[error("error validating peerURLs {cluster}: {reason}{advice}")]
    OtherMembers {
        /// The cluster as it describes itself.
        cluster: String,
        /// Where the difference is.
        reason: String,
        /// What may have been forgotten.
        advice: &'static str,
    },
    /// The member has run before, and this is not its data directory.
    #[error(
        "member {member} has already been bootstrapped; restore its data directory, or remove the member, add it \
         again, and start it with --initial-cluster-state=existing"
    )]
    AlreadyBootstrapped {
        /// The member.
        member: MemberId,
    },
    /// The cluster speaks another protocol between its members.
    #[error("the members at {url} are not of kvd: a kvd cannot join a cluster of another program")]
    NotKvd {
        /// Where they answered.
        url: String,
    },
    /// The member was removed from its cluster. It can never come back.
    #[error(
        "the member has been permanently removed from the cluster; the data directory used by this member must be \
         removed"
    )]
    Removed,
    /// The member stopped before it served.
    #[error("the member stopped before it served: {reason}")]
    Stopped {
        /// Why.
        reason: String,
    },
    /// A thread could not be started.
    #[error("start a thread: {0}")]
    Thread(io::Error),
}

fn log_advice(error: &kv_wal::OpenError) -> &'static str {
    match error {
        kv_wal::OpenError::Damaged { .. } => {
            "; restore the data directory from a backup, or remove it and let this member join anew"
        }
        kv_wal::OpenError::NewerFormat { .. } => "; use the newer kvd",
        kv_wal::OpenError::Io { .. } | kv_wal::OpenError::Missing { .. } => "",
    }
}

impl StartError {
    pub(crate) fn io(attempt: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io {
            attempt,
            path,
            source,
        }
    }
}
