//! What the endpoint commands say, of several members each.

use std::time::Duration;

use kv_client::kv_proto::etcdserverpb as etcd;

use super::json::{Json, Object, nullable, texts};
use super::{Answer, Format, NO_PROTOBUF, Page, Table, fields};
use crate::text::duration::human as human_duration;
use crate::text::size::human as human_size;

/// Whether an endpoint works.
#[derive(Clone, Debug)]
pub(crate) struct Health {
    pub(crate) endpoint: String,
    /// Nothing if no request could be sent.
    pub(crate) took: Option<Duration>,
    /// What is wrong; empty if nothing is.
    pub(crate) error: String,
}

/// What an endpoint says of itself.
#[derive(Clone, Debug)]
pub(crate) struct Status {
    pub(crate) endpoint: String,
    pub(crate) response: etcd::StatusResponse,
}

/// The hash of what an endpoint has.
#[derive(Clone, Debug)]
pub(crate) struct Hash {
    pub(crate) endpoint: String,
    pub(crate) response: etcd::HashKvResponse,
}

/// What endpoint health says.
#[derive(Debug)]
pub(crate) struct Healths(pub(crate) Vec<Health>);

/// What endpoint status says.
#[derive(Debug)]
pub(crate) struct Statuses(pub(crate) Vec<Status>);

/// What endpoint hashkv says.
#[derive(Debug)]
pub(crate) struct Hashes(pub(crate) Vec<Hash>);

impl Health {
    pub(crate) fn is_healthy(&self) -> bool {
        self.error.is_empty()
    }

    fn took(&self) -> String {
        self.took.map(human_duration).unwrap_or_default()
    }
}

impl Answer for Healths {
    const UNSUPPORTED: &'static [(Format, &'static str)] = NO_PROTOBUF;

    fn simple(&self, page: &mut Page) {
        for health in &self.0 {
            let endpoint = &health.endpoint;
            if health.is_healthy() {
                let took = health.took();
                page.line(format!(
                    "{endpoint} is healthy: successfully committed proposal: took = {took}"
                ));
            } else {
                let error = &health.error;
                page.complain(&format!(
                    "{endpoint} is unhealthy: failed to commit proposal: {error}"
                ));
            }
        }
    }

    fn fields(&self, page: &mut Page) {
        for health in &self.0 {
            page.quoted("Endpoint", health.endpoint.as_bytes());
            page.field("Health", health.is_healthy());
            page.field("Took", health.took());
            page.field("Error", &health.error);
            page.line("");
        }
    }

    fn json(&self, _hex: bool) -> Json {
        let health = |health: &Health| {
            let object = Object::default()
                .with("endpoint", &health.endpoint)
                .with("health", health.is_healthy())
                .with("took", health.took())
                .with_some("error", &health.error);
            Json::from(object)
        };
        nullable(self.0.iter().map(health).collect())
    }

    fn table(&self) -> Table {
        let row = |health: &Health| {
            vec![
                health.endpoint.clone(),
                health.is_healthy().to_string(),
                health.took(),
                health.error.clone(),
            ]
        };
        Table {
            header: vec!["ENDPOINT", "HEALTH", "TOOK", "ERROR"],
            rows: self.0.iter().map(row).collect(),
        }
    }
}

/// How much of the file is not in use, in whole per cent.
fn percent_unused(status: &etcd::StatusResponse) -> i64 {
    let used = status
        .db_size_in_use
        .saturating_mul(100)
        .checked_div(status.db_size);
    100 - used.unwrap_or(100)
}

fn member_id(header: Option<&etcd::ResponseHeader>) -> u64 {
    header.map(|header| header.member_id).unwrap_or_default()
}

fn downgrade(status: &etcd::StatusResponse) -> etcd::DowngradeInfo {
    status.downgrade_info.clone().unwrap_or_default()
}

/// A size that Go takes for an unsigned number.
fn size(bytes: i64) -> String {
    human_size(bytes.cast_unsigned())
}

impl Answer for Statuses {
    const UNSUPPORTED: &'static [(Format, &'static str)] = NO_PROTOBUF;

    fn simple(&self, page: &mut Page) {
        self.table().lines().for_each(|line| page.line(line));
    }

    fn fields(&self, page: &mut Page) {
        for Status { endpoint, response } in &self.0 {
            let downgrade = downgrade(response);
            fields::header(page, response.header.as_ref());
            page.quoted("Version", response.version.as_bytes());
            page.quoted("StorageVersion", response.storage_version.as_bytes());
            page.field("DBSize", response.db_size);
            page.field("DBSizeInUse", response.db_size_in_use);
            page.field("DBSizeQuota", response.db_size_quota);
            page.field("Leader", response.leader);
            page.field("IsLearner", response.is_learner);
            page.field("RaftIndex", response.raft_index);
            page.field("RaftAppliedIndex", response.raft_applied_index);
            page.field("Errors", format_args!("[{}]", response.errors.join(" ")));
            page.quoted("Endpoint", endpoint.as_bytes());
            page.quoted("DowngradeTargetVersion", downgrade.target_version.as_bytes());
            page.field("DowngradeEnabled", downgrade.enabled);
            page.line("");
        }
    }

    fn json(&self, _hex: bool) -> Json {
        let status = |Status { endpoint, response }: &Status| {
            let object = Object::default()
                .with("Endpoint", endpoint)
                .with("Status", status_json(response));
            Json::from(object)
        };
        nullable(self.0.iter().map(status).collect())
    }

    fn table(&self) -> Table {
        let row = |Status { endpoint, response }: &Status| {
            let downgrade = downgrade(response);
            let id = member_id(response.header.as_ref());
            vec![
                endpoint.clone(),
                format!("{id:x}"),
                response.version.clone(),
                response.storage_version.clone(),
                size(response.db_size),
                size(response.db_size_in_use),
                format!("{}%", percent_unused(response)),
                size(response.db_size_quota),
                (response.leader == id).to_string(),
                response.is_learner.to_string(),
                response.raft_term.to_string(),
                response.raft_index.to_string(),
                response.raft_applied_index.to_string(),
                response.errors.join(", "),
                downgrade.target_version,
                downgrade.enabled.to_string(),
            ]
        };
        let header = vec![
            "ENDPOINT",
            "ID",
            "VERSION",
            "STORAGE VERSION",
            "DB SIZE",
            "IN USE",
            "PERCENTAGE NOT IN USE",
            "QUOTA",
            "IS LEADER",
            "IS LEARNER",
            "RAFT TERM",
            "RAFT INDEX",
            "RAFT APPLIED INDEX",
            "ERRORS",
            "DOWNGRADE TARGET VERSION",
            "DOWNGRADE ENABLED",
        ];
        Table {
            header,
            rows: self.0.iter().map(row).collect(),
        }
    }
}

fn status_json(status: &etcd::StatusResponse) -> Json {
    let downgrade = status.downgrade_info.as_ref().map(|info| {
        Object::default()
            .with_some("enabled", info.enabled)
            .with_some("targetVersion", &info.target_version)
    });
    let object = Object::default()
        .with_header(status.header.as_ref())
        .with_some("version", &status.version)
        .with_some("dbSize", status.db_size)
        .with_some("leader", status.leader)
        .with_some("raftIndex", status.raft_index)
        .with_some("raftTerm", status.raft_term)
        .with_some("raftAppliedIndex", status.raft_applied_index)
        .with_some("errors", texts(&status.errors))
        .with_some("dbSizeInUse", status.db_size_in_use)
        .with_some("isLearner", status.is_learner)
        .with_some("storageVersion", &status.storage_version)
        .with_some("dbSizeQuota", status.db_size_quota)
        .with_some("downgradeInfo", downgrade);
    object.into()
}

impl Answer for Hashes {
    const UNSUPPORTED: &'static [(Format, &'static str)] = NO_PROTOBUF;

    fn simple(&self, page: &mut Page) {
        self.table().lines().for_each(|line| page.line(line));
    }

    fn fields(&self, page: &mut Page) {
        for Hash { endpoint, response } in &self.0 {
            fields::header(page, response.header.as_ref());
            page.quoted("Endpoint", endpoint.as_bytes());
            page.field("Hash", response.hash);
            page.field("HashRevision", response.hash_revision);
            page.line("");
        }
    }

    fn json(&self, _hex: bool) -> Json {
        let hash = |Hash { endpoint, response }: &Hash| {
            let inner = Object::default()
                .with_header(response.header.as_ref())
                .with_some("hash", response.hash)
                .with_some("compact_revision", response.compact_revision)
                .with_some("hash_revision", response.hash_revision);
            Json::from(Object::default().with("Endpoint", endpoint).with("HashKV", inner))
        };
        nullable(self.0.iter().map(hash).collect())
    }

    fn table(&self) -> Table {
        let row = |Hash { endpoint, response }: &Hash| {
            vec![
                endpoint.clone(),
                response.hash.to_string(),
                response.hash_revision.to_string(),
            ]
        };
        Table {
            header: vec!["ENDPOINT", "HASH", "HASH REVISION"],
            rows: self.0.iter().map(row).collect(),
        }
    }
}

#[cfg(test)]
mod tests;
