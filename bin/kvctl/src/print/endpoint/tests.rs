use super::super::testing::{check, header};
use super::super::{Format, Style};
use super::*;

fn statuses() -> Statuses {
    let response = etcd::StatusResponse {
        header: header(),
        version: "3.7.3".into(),
        db_size: 20_480,
        leader: 0xa1,
        raft_index: 31,
        raft_term: 2,
        raft_applied_index: 30,
        errors: vec!["one".into(), "two".into()],
        db_size_in_use: 16_384,
        is_learner: false,
        storage_version: "3.7.0".into(),
        db_size_quota: 2_147_483_648,
        downgrade_info: Some(etcd::DowngradeInfo::default()),
    };
    let endpoint = "h:1".to_owned();
    Statuses(vec![Status { endpoint, response }])
}

#[test]
fn status_has_the_sixteen_columns_of_etcd_3_6_and_later() {
    let want =
        "h:1, a1, 3.7.3, 3.7.0, 20 kB, 16 kB, 20%, 2.1 GB, true, false, 2, 31, 30, one, two, , false\n";
    check(&statuses(), Format::Simple, false, want);
    assert_eq!(statuses().table().header.len(), 16);
}

#[test]
fn status_of_an_empty_store_is_no_division_by_zero() {
    let mut statuses = statuses();
    statuses.0[0].response.db_size = 0;
    assert_eq!(statuses.table().rows[0][6], "0%");
}

#[test]
fn status_prints_json_under_the_names_of_the_wire() {
    let want = concat!(
        r#"[{"Endpoint":"h:1","Status":{"header":{"cluster_id":193,"member_id":161,"revision":7,"raft_term":2},"#,
        r#""version":"3.7.3","dbSize":20480,"leader":161,"raftIndex":31,"raftTerm":2,"raftAppliedIndex":30,"#,
        r#""errors":["one","two"],"dbSizeInUse":16384,"storageVersion":"3.7.0","dbSizeQuota":2147483648,"#,
        r#""downgradeInfo":{}}}]"#,
        "\n"
    );
    check(&statuses(), Format::Json, false, want);
    check(&Statuses(vec![]), Format::Json, false, "null\n");
}

#[test]
fn an_unhealthy_endpoint_is_named_on_standard_error() {
    let healths = Healths(vec![
        Health {
            endpoint: "h:1".into(),
            took: Some(Duration::from_micros(1_559)),
            error: String::new(),
        },
        Health {
            endpoint: "h:2".into(),
            took: Some(Duration::from_secs(5)),
            error: "context deadline exceeded".into(),
        },
    ]);
    let want = "h:1 is healthy: successfully committed proposal: took = 1.559ms\n";
    check(&healths, Format::Simple, false, want);
    let style = Style {
        format: Format::Simple,
        hex: false,
    };
    let page = style.render(&healths);
    let want = "h:2 is unhealthy: failed to commit proposal: context deadline exceeded\n";
    assert_eq!(String::from_utf8_lossy(&page.err), want);
    let want = concat!(
        r#"[{"endpoint":"h:1","health":true,"took":"1.559ms"},"#,
        r#"{"endpoint":"h:2","health":false,"took":"5s","error":"context deadline exceeded"}]"#,
        "\n"
    );
    check(&healths, Format::Json, false, want);
}

#[test]
fn hashes_print_with_the_revision_they_stand_for() {
    let hashes = Hashes(vec![Hash {
        endpoint: "h:1".into(),
        response: etcd::HashKvResponse {
            header: header(),
            hash: 584_254_539,
            compact_revision: -1,
            hash_revision: 7,
        },
    }]);
    check(&hashes, Format::Simple, false, "h:1, 584254539, 7\n");
    let want = concat!(
        r#"[{"Endpoint":"h:1","HashKV":{"header":{"cluster_id":193,"member_id":161,"revision":7,"raft_term":2},"#,
        r#""hash":584254539,"compact_revision":-1,"hash_revision":7}}]"#,
        "\n"
    );
    check(&hashes, Format::Json, false, want);
}
