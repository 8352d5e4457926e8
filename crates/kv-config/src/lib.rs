//! The one typed configuration of a member: [`Options`] as given, [`Config`] as checked.
//!
//! Every source (flags today) fills an [`Options`]; [`Config::from_options`] checks it as a whole. Nothing
//! here starts anything, and nothing else in the project reads raw settings.

mod auth;
mod cluster;
mod config;
mod error;
#[cfg(test)]
mod fuzz;
mod ids;
mod options;
mod urls;

pub use auth::{AuthConfig, AuthToken};
pub use cluster::{ClusterState, InitialCluster, InitialMember};
pub use config::{Config, LogLevel};
pub use error::ConfigError;
pub use ids::{added_member_id, cluster_id, member_id};
pub use options::Options;
pub use urls::{PeerUrls, Url, UrlScheme, checked_peer_urls};
