//! Parts that the `fields` format of several answers has.

use kv_client::kv_proto::etcdserverpb::ResponseHeader;
use kv_client::kv_proto::mvccpb::KeyValue;

use super::Page;
use crate::text::number::padded_hex;

/// The header; its revision only if it has one.
pub(crate) fn header(page: &mut Page, header: Option<&ResponseHeader>) {
    let header = header.copied().unwrap_or_default();
    id(page, "ClusterID", header.cluster_id);
    id(page, "MemberID", header.member_id);
    if header.revision > 0 {
        page.field("Revision", header.revision);
    }
    page.field("RaftTerm", header.raft_term);
}

/// The ID of a member or a cluster.
pub(crate) fn id(page: &mut Page, name: &str, id: u64) {
    if page.hex {
        page.field(name, format_args!("{id:x}"));
    } else {
        page.field(name, id);
    }
}

/// The ID of a lease.
pub(crate) fn lease(page: &mut Page, name: &str, id: i64) {
    if page.hex {
        page.field(name, padded_hex(id));
    } else {
        page.field(name, id);
    }
}

/// A key with its value and the marks of its history; all names begin with the prefix.
pub(crate) fn pair(page: &mut Page, prefix: &str, pair: &KeyValue) {
    page.quoted(&format!("{prefix}Key"), &pair.key);
    page.field(&format!("{prefix}CreateRevision"), pair.create_revision);
    page.field(&format!("{prefix}ModRevision"), pair.mod_revision);
    page.field(&format!("{prefix}Version"), pair.version);
    page.quoted(&format!("{prefix}Value"), &pair.value);
    lease(page, &format!("{prefix}Lease"), pair.lease);
}
