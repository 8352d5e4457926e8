use kv_server::{ETCD_CLUSTER_VERSION, ETCD_VERSION, MetricsSnapshot, Server};

use super::text::{Text, Type};

/// The numbers of the member.
pub(super) fn write(text: &mut Text, server: &Server) {
    let id = server.header().member_id.to_string();
    let mut family = text.family(Type::Gauge, "etcd_server_id", "The member, in hexadecimal.");
    family.add(&[("server_id", &id)], 1);
    write_versions(text);
    write_snapshot(text, &server.metrics());
}

fn write_versions(text: &mut Text) {
    let mut version = text.family(
        Type::Gauge,
        "etcd_server_version",
        "The etcd release whose API is served.",
    );
    version.add(&[("server_version", ETCD_VERSION)], 1);
    let cluster = ETCD_CLUSTER_VERSION
        .rsplit_once('.')
        .map_or(ETCD_CLUSTER_VERSION, |(minor, _)| minor);
    let mut version = text.family(Type::Gauge, "etcd_cluster_version", "The version of the cluster.");
    version.add(&[("cluster_version", cluster)], 1);
    let mut version = text.family(Type::Gauge, "kvd_version", "The version of this program.");
    version.add(&[("version", env!("CARGO_PKG_VERSION"))], 1);
}

fn write_snapshot(text: &mut Text, numbers: &MetricsSnapshot) {
    let flag = u64::from;
    text.gauge(
        "etcd_server_has_leader",
        "Whether a leader is known.",
        flag(numbers.has_leader),
    );
    text.gauge(
        "etcd_server_is_leader",
        "Whether this member leads.",
        flag(numbers.is_leader),
    );
    text.gauge(
        "etcd_server_is_learner",
        "Whether this member has no vote.",
        flag(numbers.is_learner),
    );
    text.counter(
        "etcd_server_leader_changes_seen_total",
        "Changes of leader.",
        numbers.leader_changes,
    );
    // Gauges in etcd, too, although they only grow.
    text.gauge(
        "etcd_server_proposals_committed_total",
        "Last committed entry.",
        numbers.proposals_committed,
    );
    text.gauge(
        "etcd_server_proposals_applied_total",
        "Last applied entry.",
        numbers.proposals_applied,
    );
    text.gauge(
        "etcd_server_proposals_pending",
        "Proposals without an outcome yet.",
        numbers.proposals_pending,
    );
    text.counter(
        "etcd_server_proposals_failed_total",
        "Proposals that ended without an outcome.",
        numbers.proposals_failed,
    );
    text.gauge(
        "etcd_server_quota_backend_bytes",
        "Quota of the store.",
        numbers.quota_bytes,
    );
    text.histogram(
        "etcd_disk_wal_fsync_duration_seconds",
        "Syncs of the log.",
        &numbers.wal_fsync,
    );
    text.gauge(
        "etcd_disk_wal_write_bytes_total",
        "Bytes written to the log.",
        numbers.wal_written_bytes,
    );
    text.histogram(
        "etcd_disk_backend_commit_duration_seconds",
        "Checkpoints of the store.",
        &numbers.backend_commit,
    );
    text.gauge(
        "etcd_mvcc_db_total_size_in_bytes",
        "Bytes of the store on disk.",
        numbers.db_size,
    );
    text.gauge(
        "etcd_mvcc_db_total_size_in_use_in_bytes",
        "Bytes of them in use.",
        numbers.db_size_in_use,
    );
    text.gauge(
        "etcd_debugging_mvcc_current_revision",
        "Current revision.",
        numbers.current_revision,
    );
    text.gauge(
        "etcd_debugging_mvcc_compact_revision",
        "Last compaction.",
        numbers.compact_revision,
    );
    text.gauge("etcd_debugging_mvcc_keys_total", "Keys that exist.", numbers.keys);
    text.gauge("etcd_debugging_mvcc_watcher_total", "Watchers.", numbers.watchers);
    text.gauge(
        "etcd_debugging_mvcc_watch_stream_total",
        "Streams of watchers.",
        numbers.watch_streams,
    );
    text.gauge(
        "etcd_debugging_mvcc_slow_watcher_total",
        "Watchers that lag.",
        numbers.slow_watchers,
    );
    text.counter(
        "etcd_debugging_server_lease_expired_total",
        "Leases whose time was over.",
        numbers.leases_expired,
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_the_names_that_dashboards_ask_for() {
        let mut text = Text::default();
        let numbers = MetricsSnapshot {
            has_leader: true,
            proposals_applied: 7,
            ..Default::default()
        };
        write_versions(&mut text);
        write_snapshot(&mut text, &numbers);
        let text = text.into_string();
        for line in [
            "etcd_server_has_leader 1",
            "etcd_server_is_leader 0",
            "etcd_server_proposals_applied_total 7",
            "etcd_server_leader_changes_seen_total 0",
            "etcd_mvcc_db_total_size_in_bytes 0",
            "etcd_disk_wal_fsync_duration_seconds_count 0",
            "etcd_disk_backend_commit_duration_seconds_bucket{le=\"+Inf\"} 0",
            "etcd_server_version{server_version=\"3.6.14\"} 1",
            "etcd_cluster_version{cluster_version=\"3.6\"} 1",
        ] {
            assert!(text.lines().any(|found| found == line), "{line}");
        }
    }
}
