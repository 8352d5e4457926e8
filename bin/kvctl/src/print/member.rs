//! What member list says.

use kv_client::kv_proto::etcdserverpb as etcd;
use prost::Message;

use super::json::{Json, Object, texts};
use super::{Answer, Format, Page, Table, fields};

/// What member list says.
#[derive(Debug)]
pub(crate) struct Members(pub(crate) etcd::MemberListResponse);

impl Answer for Members {
    const UNSUPPORTED: &'static [(Format, &'static str)] = &[];

    fn simple(&self, page: &mut Page) {
        self.table().lines().for_each(|line| page.line(line));
    }

    fn fields(&self, page: &mut Page) {
        fields::header(page, self.0.header.as_ref());
        for member in &self.0.members {
            fields::id(page, "ID", member.id);
            page.quoted("Name", member.name.as_bytes());
            for url in &member.peer_ur_ls {
                page.quoted("PeerURL", url.as_bytes());
            }
            for url in &member.client_ur_ls {
                page.quoted("ClientURL", url.as_bytes());
            }
            page.field("IsLearner", member.is_learner);
            page.line("");
        }
    }

    fn json(&self, hex: bool) -> Json {
        let members: Vec<Json> = self
            .0
            .members
            .iter()
            .map(|member| member_json(member, hex))
            .collect();
        if hex {
            let header = self.0.header.as_ref().map(hex_header);
            return Object::default()
                .with("header", header)
                .with("members", members)
                .into();
        }
        let object = Object::default()
            .with_header(self.0.header.as_ref())
            .with_some("members", members);
        object.into()
    }

    fn protobuf(&self) -> Vec<u8> {
        self.0.encode_to_vec()
    }

    fn table(&self) -> Table {
        let row = |member: &etcd::Member| {
            let status = if member.name.is_empty() {
                "unstarted"
            } else {
                "started"
            };
            vec![
                format!("{:x}", member.id),
                status.to_owned(),
                member.name.clone(),
                member.peer_ur_ls.join(","),
                member.client_ur_ls.join(","),
                member.is_learner.to_string(),
            ]
        };
        Table {
            header: vec!["ID", "STATUS", "NAME", "PEER ADDRS", "CLIENT ADDRS", "IS LEARNER"],
            rows: self.0.members.iter().map(row).collect(),
        }
    }
}

pub(super) fn hex_header(header: &etcd::ResponseHeader) -> Object {
    Object::default()
        .with("cluster_id", format!("{:x}", header.cluster_id))
        .with("member_id", format!("{:x}", header.member_id))
        .with_some("revision", header.revision)
        .with_some("raft_term", header.raft_term)
}

pub(super) fn member_json(member: &etcd::Member, hex: bool) -> Json {
    let id = if hex {
        Object::default().with("ID", format!("{:x}", member.id))
    } else {
        Object::default().with_some("ID", member.id)
    };
    let object = id
        .with_some("name", &member.name)
        .with_some("peerURLs", texts(&member.peer_ur_ls))
        .with_some("clientURLs", texts(&member.client_ur_ls))
        .with_some("isLearner", member.is_learner);
    object.into()
}

#[cfg(test)]
mod tests {
    use super::super::testing::{check, header};
    use super::*;

    fn members() -> Members {
        let started = etcd::Member {
            id: 0x0a1,
            name: "s1".into(),
            peer_ur_ls: vec!["http://h:1".into(), "http://h:2".into()],
            client_ur_ls: vec!["http://h:3".into()],
            is_learner: false,
        };
        let unstarted = etcd::Member {
            id: 0xb2,
            peer_ur_ls: vec!["http://i:1".into()],
            is_learner: true,
            ..Default::default()
        };
        Members(etcd::MemberListResponse {
            header: header(),
            members: vec![started, unstarted],
        })
    }

    #[test]
    fn members_print_in_lines_and_in_a_table() {
        let want = "a1, started, s1, http://h:1,http://h:2, http://h:3, false\nb2, unstarted, , http://i:1, , true\n";
        check(&members(), Format::Simple, true, want);
        let want = "\
┌────┬───────────┬──────┬───────────────────────┬──────────────┬────────────┐
│ ID │  STATUS   │ NAME │      PEER ADDRS       │ CLIENT ADDRS │ IS LEARNER │
├────┼───────────┼──────┼───────────────────────┼──────────────┼────────────┤
│ a1 │   started │   s1 │ http://h:1,http://h:2 │   http://h:3 │      false │
│ b2 │ unstarted │      │            http://i:1 │              │       true │
└────┴───────────┴──────┴───────────────────────┴──────────────┴────────────┘
";
        check(&members(), Format::Table, false, want);
    }

    #[test]
    fn ids_are_numbers_in_json_and_texts_in_hexadecimal() {
        let numbers = concat!(
            r#"{"header":{"cluster_id":193,"member_id":161,"revision":7,"raft_term":2},"members":["#,
            r#"{"ID":161,"name":"s1","peerURLs":["http://h:1","http://h:2"],"clientURLs":["http://h:3"]},"#,
            r#"{"ID":178,"peerURLs":["http://i:1"],"isLearner":true}]}"#,
            "\n"
        );
        check(&members(), Format::Json, false, numbers);
        let texts = numbers
            .replace(":193", r#":"c1""#)
            .replace(":161", r#":"a1""#)
            .replace(":178", r#":"b2""#);
        check(&members(), Format::Json, true, &texts);
    }
}
