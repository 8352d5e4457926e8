//! What get, put and del say.

use kv_client::kv_proto::etcdserverpb as etcd;
use kv_client::kv_proto::mvccpb::KeyValue;
use prost::Message;

use super::json::{Json, Object};
use super::{Answer, Format, NO_TABLE, Page, fields};

/// What get has found.
#[derive(Debug)]
pub(crate) struct Found {
    pub(crate) response: etcd::RangeResponse,
    /// Without keys, in the simple format.
    pub(crate) values_only: bool,
}

/// What put says.
#[derive(Debug)]
pub(crate) struct Stored(pub(crate) etcd::PutResponse);

/// What del says.
#[derive(Debug)]
pub(crate) struct Deleted(pub(crate) etcd::DeleteRangeResponse);

impl Answer for Found {
    const UNSUPPORTED: &'static [(Format, &'static str)] = NO_TABLE;

    fn simple(&self, page: &mut Page) {
        for pair in &self.response.kvs {
            if self.values_only {
                page.bytes_line(&pair.value);
            } else {
                pair_lines(page, pair);
            }
        }
    }

    fn fields(&self, page: &mut Page) {
        range_fields(page, &self.response);
    }

    fn json(&self, _hex: bool) -> Json {
        range_json(&self.response)
    }

    fn protobuf(&self) -> Vec<u8> {
        self.response.encode_to_vec()
    }
}

impl Answer for Stored {
    const UNSUPPORTED: &'static [(Format, &'static str)] = NO_TABLE;

    fn simple(&self, page: &mut Page) {
        put_lines(page, &self.0);
    }

    fn fields(&self, page: &mut Page) {
        put_fields(page, &self.0);
    }

    fn json(&self, _hex: bool) -> Json {
        put_json(&self.0)
    }

    fn protobuf(&self) -> Vec<u8> {
        self.0.encode_to_vec()
    }
}

impl Answer for Deleted {
    const UNSUPPORTED: &'static [(Format, &'static str)] = NO_TABLE;

    fn simple(&self, page: &mut Page) {
        delete_lines(page, &self.0);
    }

    fn fields(&self, page: &mut Page) {
        delete_fields(page, &self.0);
    }

    fn json(&self, _hex: bool) -> Json {
        delete_json(&self.0)
    }

    fn protobuf(&self) -> Vec<u8> {
        self.0.encode_to_vec()
    }
}

/// A key and its value, a line each.
pub(super) fn pair_lines(page: &mut Page, pair: &KeyValue) {
    page.bytes_line(&pair.key);
    page.bytes_line(&pair.value);
}

pub(super) fn put_lines(page: &mut Page, response: &etcd::PutResponse) {
    page.line("OK");
    if let Some(pair) = &response.prev_kv {
        pair_lines(page, pair);
    }
}

pub(super) fn delete_lines(page: &mut Page, response: &etcd::DeleteRangeResponse) {
    page.line(response.deleted.to_string());
    for pair in &response.prev_kvs {
        pair_lines(page, pair);
    }
}

pub(super) fn range_fields(page: &mut Page, response: &etcd::RangeResponse) {
    fields::header(page, response.header.as_ref());
    for pair in &response.kvs {
        fields::pair(page, "", pair);
    }
    page.field("More", response.more);
    page.field("Count", response.count);
}

pub(super) fn put_fields(page: &mut Page, response: &etcd::PutResponse) {
    fields::header(page, response.header.as_ref());
    if let Some(pair) = &response.prev_kv {
        fields::pair(page, "Prev", pair);
    }
}

pub(super) fn delete_fields(page: &mut Page, response: &etcd::DeleteRangeResponse) {
    fields::header(page, response.header.as_ref());
    page.field("Deleted", response.deleted);
    for pair in &response.prev_kvs {
        fields::pair(page, "Prev", pair);
    }
}

pub(super) fn pair_json(pair: &KeyValue) -> Json {
    let object = Object::default()
        .with_some("key", &pair.key)
        .with_some("create_revision", pair.create_revision)
        .with_some("mod_revision", pair.mod_revision)
        .with_some("version", pair.version)
        .with_some("value", &pair.value)
        .with_some("lease", pair.lease);
    object.into()
}

fn pairs_json(pairs: &[KeyValue]) -> Json {
    Json::List(pairs.iter().map(pair_json).collect())
}

pub(super) fn range_json(response: &etcd::RangeResponse) -> Json {
    let object = Object::default()
        .with_header(response.header.as_ref())
        .with_some("kvs", pairs_json(&response.kvs))
        .with_some("more", response.more)
        .with_some("count", response.count);
    object.into()
}

pub(super) fn put_json(response: &etcd::PutResponse) -> Json {
    let object = Object::default()
        .with_header(response.header.as_ref())
        .with_some("prev_kv", response.prev_kv.as_ref().map(pair_json));
    object.into()
}

pub(super) fn delete_json(response: &etcd::DeleteRangeResponse) -> Json {
    let object = Object::default()
        .with_header(response.header.as_ref())
        .with_some("deleted", response.deleted)
        .with_some("prev_kvs", pairs_json(&response.prev_kvs));
    object.into()
}

#[cfg(test)]
mod tests {
    use super::super::testing::{check, header, pair};
    use super::*;

    fn found(values_only: bool) -> Found {
        let response = etcd::RangeResponse {
            header: header(),
            kvs: vec![pair("foo", "bar"), pair("k", "")],
            more: true,
            count: 9,
        };
        Found {
            response,
            values_only,
        }
    }

    #[test]
    fn get_prints_keys_and_values_in_lines() {
        check(&found(false), Format::Simple, false, "foo\nbar\nk\n\n");
        check(&found(true), Format::Simple, false, "bar\n\n");
        check(
            &found(false),
            Format::Simple,
            true,
            "\\x66\\x6f\\x6f\n\\x62\\x61\\x72\n\\x6b\n\n",
        );
    }

    #[test]
    fn get_prints_json_without_what_is_zero() {
        let want = concat!(
            r#"{"header":{"cluster_id":193,"member_id":161,"revision":7,"raft_term":2},"#,
            r#""kvs":[{"key":"Zm9v","create_revision":3,"mod_revision":5,"version":2,"value":"YmFy"},"#,
            r#"{"key":"aw==","create_revision":3,"mod_revision":5,"version":2}],"more":true,"count":9}"#,
            "\n"
        );
        check(&found(false), Format::Json, true, want);
    }

    #[test]
    fn put_prints_fields_with_ids_in_hexadecimal_if_asked() {
        let stored = Stored(etcd::PutResponse {
            header: header(),
            prev_kv: Some(pair("a\n", "v")),
        });
        let want = "\"ClusterID\" : c1\n\"MemberID\" : a1\n\"Revision\" : 7\n\"RaftTerm\" : 2\n\
                    \"PrevKey\" : \"a\\n\"\n\"PrevCreateRevision\" : 3\n\"PrevModRevision\" : 5\n\
                    \"PrevVersion\" : 2\n\"PrevValue\" : \"v\"\n\"PrevLease\" : 0000000000000000\n";
        check(&stored, Format::Fields, true, want);
        check(&stored, Format::Simple, false, "OK\na\n\nv\n");
    }

    #[test]
    fn del_prints_how_many_and_what_they_were() {
        let deleted = Deleted(etcd::DeleteRangeResponse {
            header: None,
            deleted: 1,
            prev_kvs: vec![pair("a", "1")],
        });
        check(&deleted, Format::Simple, false, "1\na\n1\n");
        let none = Deleted(etcd::DeleteRangeResponse::default());
        check(&none, Format::Json, false, "{}\n");
        check(&none, Format::Simple, false, "0\n");
    }
}
