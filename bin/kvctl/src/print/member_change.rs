//! What the commands say that change the members or the leader.

use kv_client::kv_proto::etcdserverpb as etcd;
use prost::Message;

use super::json::{Json, Object};
use super::member::{Members, hex_header, member_json};
use super::{Answer, Format, Page};
use crate::text::quote::quote;

/// What these answers lack.
const NO_FIELDS_OR_TABLE: &[(Format, &str)] = &[(Format::Fields, "fields"), (Format::Table, "table")];

/// What member add says.
#[derive(Debug)]
pub(crate) struct MemberAdded {
    /// The name it is to have.
    pub(crate) name: String,
    /// As they were given.
    pub(crate) peer_urls: String,
    pub(crate) response: etcd::MemberAddResponse,
}

impl MemberAdded {
    /// `name=url,…` of all members, the new one included.
    fn initial_cluster(&self, new: u64) -> String {
        let named = |member: &etcd::Member| {
            let name = if member.id == new {
                &self.name
            } else {
                &member.name
            };
            let urls = member.peer_ur_ls.iter();
            urls.map(|url| format!("{name}={url}")).collect::<Vec<_>>()
        };
        let all: Vec<String> = self.response.members.iter().flat_map(named).collect();
        all.join(",")
    }
}

impl Answer for MemberAdded {
    const UNSUPPORTED: &'static [(Format, &'static str)] = NO_FIELDS_OR_TABLE;

    fn simple(&self, page: &mut Page) {
        let member = self.response.member.clone().unwrap_or_default();
        let role = if member.is_learner { " as learner " } else { " " };
        let cluster = cluster_id(self.response.header.as_ref());
        page.line(format!(
            "Member {:16x} added{role}to cluster {cluster:16x}",
            member.id
        ));
        page.line("");
        for (name, value) in [
            ("ETCD_NAME", self.name.as_str()),
            ("ETCD_INITIAL_CLUSTER", &self.initial_cluster(member.id)),
            ("ETCD_INITIAL_ADVERTISE_PEER_URLS", &self.peer_urls),
            ("ETCD_INITIAL_CLUSTER_STATE", "existing"),
        ] {
            page.line(format!("{name}={}", quote(value.as_bytes())));
        }
    }

    fn fields(&self, _page: &mut Page) {}

    fn json(&self, hex: bool) -> Json {
        let response = &self.response;
        let members: Vec<Json> = response
            .members
            .iter()
            .map(|member| member_json(member, hex))
            .collect();
        let member = response.member.as_ref().map(|member| member_json(member, hex));
        let object = if hex {
            Object::default()
                .with("header", response.header.as_ref().map(hex_header))
                .with("member", member)
                .with("members", members)
        } else {
            Object::default()
                .with_header(response.header.as_ref())
                .with("member", member)
                .with_some("members", members)
        };
        object.into()
    }

    fn protobuf(&self) -> Vec<u8> {
        self.response.encode_to_vec()
    }
}

/// What member remove, update and promote say.
#[derive(Debug)]
pub(crate) struct MemberChanged {
    id: u64,
    done: &'static str,
    /// Whether `--hex` is heeded.
    knows_hex: bool,
    /// Their responses have the same parts in the same places.
    response: etcd::MemberListResponse,
}

impl MemberChanged {
    pub(crate) fn removed(id: u64, header: Option<etcd::ResponseHeader>, members: Vec<etcd::Member>) -> Self {
        Self::of(
            id,
            "removed from",
            true,
            etcd::MemberListResponse { header, members },
        )
    }

    pub(crate) fn updated(id: u64, header: Option<etcd::ResponseHeader>, members: Vec<etcd::Member>) -> Self {
        Self::of(
            id,
            "updated in",
            true,
            etcd::MemberListResponse { header, members },
        )
    }

    pub(crate) fn promoted(
        id: u64,
        header: Option<etcd::ResponseHeader>,
        members: Vec<etcd::Member>,
    ) -> Self {
        Self::of(
            id,
            "promoted in",
            false,
            etcd::MemberListResponse { header, members },
        )
    }

    fn of(id: u64, done: &'static str, knows_hex: bool, response: etcd::MemberListResponse) -> Self {
        Self {
            id,
            done,
            knows_hex,
            response,
        }
    }
}

impl Answer for MemberChanged {
    const UNSUPPORTED: &'static [(Format, &'static str)] = NO_FIELDS_OR_TABLE;

    fn simple(&self, page: &mut Page) {
        let cluster = cluster_id(self.response.header.as_ref());
        page.line(format!(
            "Member {:16x} {} cluster {cluster:16x}",
            self.id, self.done
        ));
    }

    fn fields(&self, _page: &mut Page) {}

    fn json(&self, hex: bool) -> Json {
        Members(self.response.clone()).json(hex && self.knows_hex)
    }

    fn protobuf(&self) -> Vec<u8> {
        self.response.encode_to_vec()
    }
}

/// What move-leader says.
#[derive(Debug)]
pub(crate) struct LeaderMoved {
    pub(crate) from: u64,
    pub(crate) to: u64,
    pub(crate) response: etcd::MoveLeaderResponse,
}

impl Answer for LeaderMoved {
    const UNSUPPORTED: &'static [(Format, &'static str)] = NO_FIELDS_OR_TABLE;

    fn simple(&self, page: &mut Page) {
        page.line(format!(
            "Leadership transferred from {:x} to {:x}",
            self.from, self.to
        ));
    }

    fn fields(&self, _page: &mut Page) {}

    fn json(&self, _hex: bool) -> Json {
        Object::default()
            .with_header(self.response.header.as_ref())
            .into()
    }

    fn protobuf(&self) -> Vec<u8> {
        self.response.encode_to_vec()
    }
}

fn cluster_id(header: Option<&etcd::ResponseHeader>) -> u64 {
    header.map_or(0, |header| header.cluster_id)
}

#[cfg(test)]
mod tests {
    use super::super::testing::{check, header};
    use super::*;

    fn member(id: u64, name: &str, learner: bool) -> etcd::Member {
        etcd::Member {
            id,
            name: name.into(),
            peer_ur_ls: vec![format!("http://h:{id}"), format!("http://i:{id}")],
            is_learner: learner,
            ..Default::default()
        }
    }

    fn added(learner: bool) -> MemberAdded {
        MemberAdded {
            name: "new".into(),
            peer_urls: "http://h:2,http://i:2".into(),
            response: etcd::MemberAddResponse {
                header: header(),
                member: Some(member(2, "", learner)),
                members: vec![member(1, "old", false), member(2, "", learner)],
            },
        }
    }

    #[test]
    fn an_added_member_is_told_how_to_start() {
        let want = r#"Member                2 added to cluster               c1

ETCD_NAME="new"
ETCD_INITIAL_CLUSTER="old=http://h:1,old=http://i:1,new=http://h:2,new=http://i:2"
ETCD_INITIAL_ADVERTISE_PEER_URLS="http://h:2,http://i:2"
ETCD_INITIAL_CLUSTER_STATE="existing"
"#;
        check(&added(false), Format::Simple, false, want);
        let learner = want.replace("added to", "added as learner to");
        check(&added(true), Format::Simple, false, &learner);
        let json = concat!(
            r#"{"header":{"cluster_id":193,"member_id":161,"revision":7,"raft_term":2},"#,
            r#""member":{"ID":2,"peerURLs":["http://h:2","http://i:2"],"isLearner":true},"#,
            r#""members":[{"ID":1,"name":"old","peerURLs":["http://h:1","http://i:1"]},"#,
            r#"{"ID":2,"peerURLs":["http://h:2","http://i:2"],"isLearner":true}]}"#,
            "\n"
        );
        check(&added(true), Format::Json, false, json);
    }

    #[test]
    fn changes_are_told_with_member_and_cluster() {
        let id = 0x8e9e_05c5_2164_694d;
        for (changed, want) in [
            (MemberChanged::removed(id, header(), vec![]), "removed from"),
            (MemberChanged::updated(id, header(), vec![]), "updated in"),
            (MemberChanged::promoted(id, header(), vec![]), "promoted in"),
        ] {
            let line = format!("Member 8e9e05c52164694d {want} cluster               c1\n");
            check(&changed, Format::Simple, false, &line);
        }
        let moved = LeaderMoved {
            from: 0xa,
            to: 0xb,
            response: etcd::MoveLeaderResponse::default(),
        };
        check(
            &moved,
            Format::Simple,
            false,
            "Leadership transferred from a to b\n",
        );
    }
}
