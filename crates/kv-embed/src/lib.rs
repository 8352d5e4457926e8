//! A configuration in, a running member and its handle out.
//!
//! The server program is a thin main over [`Member`]; another program may run one inside itself, and use it
//! through [`Member::server`] or [`Member::service`] without a socket:
//!
//! ```no_run
//! use kv_embed::{Config, Member, Options};
//!
//! # async fn run() -> Result<(), Box<dyn std::error::Error>> {
//! let options = Options { data_dir: Some("/var/lib/app/kv".into()), ..Options::default() };
//! let member = Member::start(Config::from_options(&options)?).await?;
//! println!("at revision {}", member.server().header().revision);
//! member.shutdown().await;
//! # Ok(())
//! # }
//! ```

mod data_dir;
mod error;
mod join;
mod listen;
mod log_gauge;
mod member;
mod peers;
mod restore;
mod storage;

pub use error::StartError;
pub use kv_config::{Config, ConfigError, Options};
pub use kv_gateway::Edge;
pub use kv_server::{ETCD_VERSION, Server};
pub use kv_snapshot::{Digest, FileStatus, Imported, RevisionBump, SnapshotFile, SnapshotFileError};
pub use kv_types::Revision;
pub use member::{End, Member};
pub use restore::{RestoreError, RestoreOptions, restore};
