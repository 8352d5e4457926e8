//! What watch says of each response that reaches a watcher.

use kv_client::kv_proto::etcdserverpb as etcd;
use kv_client::kv_proto::mvccpb::{Event, event::EventType};
use prost::Message;

use super::json::{Json, Object, nullable};
use super::kv::{pair_json, pair_lines};
use super::{Answer, Format, NO_TABLE, Page, fields};

/// What a watcher has seen.
#[derive(Debug)]
pub(crate) struct Seen(pub(crate) etcd::WatchResponse);

/// The name of what happened to a key.
pub(crate) fn type_name(event: &Event) -> String {
    match EventType::try_from(event.r#type) {
        Ok(EventType::Put) => "PUT".to_owned(),
        Ok(EventType::Delete) => "DELETE".to_owned(),
        Err(_) => event.r#type.to_string(),
    }
}

impl Answer for Seen {
    const UNSUPPORTED: &'static [(Format, &'static str)] = NO_TABLE;

    fn simple(&self, page: &mut Page) {
        for event in &self.0.events {
            page.line(type_name(event));
            if let Some(pair) = &event.prev_kv {
                pair_lines(page, pair);
            }
            pair_lines(page, &event.kv.clone().unwrap_or_default());
        }
    }

    fn fields(&self, page: &mut Page) {
        fields::header(page, self.0.header.as_ref());
        for event in &self.0.events {
            page.field("Type", type_name(event));
            if let Some(pair) = &event.prev_kv {
                fields::pair(page, "Prev", pair);
            }
            fields::pair(page, "", &event.kv.clone().unwrap_or_default());
        }
    }

    fn json(&self, _hex: bool) -> Json {
        let event = |event: &Event| {
            let object = Object::default()
                .with_some("type", event.r#type)
                .with_some("kv", event.kv.as_ref().map(pair_json))
                .with_some("prev_kv", event.prev_kv.as_ref().map(pair_json));
            Json::from(object)
        };
        let header = Object::default().with_header_fields(self.0.header.as_ref());
        let object = Object::default()
            .with("Header", self.0.header.as_ref().map(|_| header))
            .with("Events", nullable(self.0.events.iter().map(event).collect()))
            .with("CompactRevision", self.0.compact_revision)
            .with("Canceled", self.0.canceled)
            .with("Created", self.0.created)
            .with("CancelReason", &self.0.cancel_reason);
        object.into()
    }

    fn protobuf(&self) -> Vec<u8> {
        let response = etcd::WatchResponse {
            watch_id: 0,
            cancel_reason: String::new(),
            fragment: false,
            ..self.0.clone()
        };
        response.encode_to_vec()
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{check, header, pair};
    use super::*;

    fn seen() -> Seen {
        let put = Event {
            r#type: EventType::Put.into(),
            kv: Some(pair("a", "new")),
            prev_kv: Some(pair("a", "old")),
        };
        let delete = Event {
            r#type: EventType::Delete.into(),
            kv: Some(pair("a", "")),
            prev_kv: None,
        };
        Seen(etcd::WatchResponse {
            header: header(),
            watch_id: 3,
            events: vec![put, delete],
            ..Default::default()
        })
    }

    #[test]
    fn events_print_with_what_was_there_before() {
        check(
            &seen(),
            Format::Simple,
            false,
            "PUT\na\nold\na\nnew\nDELETE\na\n\n",
        );
    }

    #[test]
    fn json_has_the_names_of_the_go_client() {
        let a = r#""key":"YQ==","create_revision":3,"mod_revision":5,"version":2"#;
        let want = format!(
            "{{\"Header\":{{\"cluster_id\":193,\"member_id\":161,\"revision\":7,\"raft_term\":2}},\
             \"Events\":[{{\"kv\":{{{a},\"value\":\"bmV3\"}},\"prev_kv\":{{{a},\"value\":\"b2xk\"}}}},\
             {{\"type\":1,\"kv\":{{{a}}}}}],\
             \"CompactRevision\":0,\"Canceled\":false,\"Created\":false,\"CancelReason\":\"\"}}\n"
        );
        check(&seen(), Format::Json, false, &want);
    }
}
