//! What txn says.

use kv_client::kv_proto::etcdserverpb as etcd;
use kv_client::kv_proto::etcdserverpb::response_op::Response;
use prost::Message;

use super::json::{Json, Object};
use super::kv::{self, pair_lines};
use super::{Answer, Format, NO_TABLE, Page, fields};

/// What a transaction did.
#[derive(Debug)]
pub(crate) struct Done(pub(crate) etcd::TxnResponse);

impl Answer for Done {
    const UNSUPPORTED: &'static [(Format, &'static str)] = NO_TABLE;

    fn simple(&self, page: &mut Page) {
        lines(page, &self.0);
    }

    fn fields(&self, page: &mut Page) {
        all_fields(page, &self.0);
    }

    fn json(&self, _hex: bool) -> Json {
        json(&self.0)
    }

    fn protobuf(&self) -> Vec<u8> {
        self.0.encode_to_vec()
    }
}

/// The responses of the branch that ran; none is left empty by a server.
fn responses(response: &etcd::TxnResponse) -> impl Iterator<Item = &Response> {
    response.responses.iter().filter_map(|op| op.response.as_ref())
}

fn lines(page: &mut Page, response: &etcd::TxnResponse) {
    page.line(if response.succeeded { "SUCCESS" } else { "FAILURE" });
    for op in responses(response) {
        page.line("");
        match op {
            Response::ResponseRange(range) => range.kvs.iter().for_each(|pair| pair_lines(page, pair)),
            Response::ResponsePut(put) => kv::put_lines(page, put),
            Response::ResponseDeleteRange(delete) => kv::delete_lines(page, delete),
            Response::ResponseTxn(txn) => lines(page, txn),
        }
    }
}

fn all_fields(page: &mut Page, response: &etcd::TxnResponse) {
    fields::header(page, response.header.as_ref());
    page.field("Succeeded", response.succeeded);
    for op in responses(response) {
        match op {
            Response::ResponseRange(range) => kv::range_fields(page, range),
            Response::ResponsePut(put) => kv::put_fields(page, put),
            Response::ResponseDeleteRange(delete) => kv::delete_fields(page, delete),
            Response::ResponseTxn(txn) => all_fields(page, txn),
        }
    }
}

fn json(response: &etcd::TxnResponse) -> Json {
    let op = |op: &Response| {
        let (name, value) = match op {
            Response::ResponseRange(range) => ("response_range", kv::range_json(range)),
            Response::ResponsePut(put) => ("response_put", kv::put_json(put)),
            Response::ResponseDeleteRange(delete) => ("response_delete_range", kv::delete_json(delete)),
            Response::ResponseTxn(txn) => ("response_txn", json(txn)),
        };
        Json::from(Object::default().with("Response", Object::default().with(name, value)))
    };
    let object = Object::default()
        .with_header(response.header.as_ref())
        .with_some("succeeded", response.succeeded)
        .with_some("responses", responses(response).map(op).collect::<Vec<_>>());
    object.into()
}

#[cfg(test)]
mod tests {
    use super::super::testing::{check, header, pair};
    use super::*;

    fn done() -> Done {
        let ops = [
            Response::ResponsePut(etcd::PutResponse::default()),
            Response::ResponseRange(etcd::RangeResponse {
                kvs: vec![pair("a", "1")],
                count: 1,
                ..Default::default()
            }),
            Response::ResponseDeleteRange(etcd::DeleteRangeResponse {
                deleted: 2,
                ..Default::default()
            }),
        ];
        Done(etcd::TxnResponse {
            header: header(),
            succeeded: true,
            responses: ops.map(|op| etcd::ResponseOp { response: Some(op) }).to_vec(),
        })
    }

    #[test]
    fn each_operation_prints_after_a_blank_line() {
        check(&done(), Format::Simple, false, "SUCCESS\n\nOK\n\na\n1\n\n2\n");
        check(
            &Done(etcd::TxnResponse::default()),
            Format::Simple,
            false,
            "FAILURE\n",
        );
    }

    #[test]
    fn json_names_the_kind_of_each_response() {
        let want = concat!(
            r#"{"header":{"cluster_id":193,"member_id":161,"revision":7,"raft_term":2},"succeeded":true,"#,
            r#""responses":[{"Response":{"response_put":{}}},"#,
            r#"{"Response":{"response_range":{"kvs":[{"key":"YQ==","create_revision":3,"mod_revision":5,"#,
            r#""version":2,"value":"MQ=="}],"count":1}}},"#,
            r#"{"Response":{"response_delete_range":{"deleted":2}}}]}"#,
            "\n"
        );
        check(&done(), Format::Json, false, want);
    }
}
