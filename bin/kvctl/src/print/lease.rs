//! What the lease commands say. Their JSON has the header's fields among its own, and their protobuf is the header
//! alone: that is what etcdctl does.

use kv_client::kv_proto::etcdserverpb as etcd;
use prost::Message;

use super::json::{Json, Object, nullable};
use super::{Answer, Format, NO_TABLE, Page, fields};
use crate::text::number::padded_hex;

/// What lease grant says.
#[derive(Debug)]
pub(crate) struct Granted(pub(crate) etcd::LeaseGrantResponse);

/// What lease revoke says.
#[derive(Debug)]
pub(crate) struct Revoked {
    pub(crate) id: i64,
    pub(crate) response: etcd::LeaseRevokeResponse,
}

/// What lease keep-alive says each time.
#[derive(Debug)]
pub(crate) struct KeptAlive(pub(crate) etcd::LeaseKeepAliveResponse);

/// What lease timetolive says.
#[derive(Debug)]
pub(crate) struct TimeToLive {
    pub(crate) response: etcd::LeaseTimeToLiveResponse,
    /// Keys were asked for.
    pub(crate) keys: bool,
}

/// What lease list says.
#[derive(Debug)]
pub(crate) struct Leases(pub(crate) etcd::LeaseLeasesResponse);

fn header_bytes(header: Option<&etcd::ResponseHeader>) -> Vec<u8> {
    header.map(Message::encode_to_vec).unwrap_or_default()
}

impl Answer for Granted {
    const UNSUPPORTED: &'static [(Format, &'static str)] = NO_TABLE;

    fn simple(&self, page: &mut Page) {
        let id = padded_hex(self.0.id);
        page.line(format!("lease {id} granted with TTL({}s)", self.0.ttl));
    }

    fn fields(&self, page: &mut Page) {
        fields::header(page, self.0.header.as_ref());
        fields::lease(page, "ID", self.0.id);
        page.field("TTL", self.0.ttl);
    }

    fn json(&self, _hex: bool) -> Json {
        let object = Object::default()
            .with_header_fields(self.0.header.as_ref())
            .with("ID", self.0.id)
            .with("TTL", self.0.ttl)
            .with("Error", &self.0.error);
        object.into()
    }

    fn protobuf(&self) -> Vec<u8> {
        header_bytes(self.0.header.as_ref())
    }
}

impl Answer for Revoked {
    const UNSUPPORTED: &'static [(Format, &'static str)] = NO_TABLE;

    fn simple(&self, page: &mut Page) {
        page.line(format!("lease {} revoked", padded_hex(self.id)));
    }

    fn fields(&self, page: &mut Page) {
        fields::header(page, self.response.header.as_ref());
    }

    fn json(&self, _hex: bool) -> Json {
        Object::default()
            .with_header(self.response.header.as_ref())
            .into()
    }

    fn protobuf(&self) -> Vec<u8> {
        self.response.encode_to_vec()
    }
}

impl Answer for KeptAlive {
    const UNSUPPORTED: &'static [(Format, &'static str)] = NO_TABLE;

    fn simple(&self, page: &mut Page) {
        let id = padded_hex(self.0.id);
        page.line(format!("lease {id} keepalived with TTL({})", self.0.ttl));
    }

    fn fields(&self, page: &mut Page) {
        fields::header(page, self.0.header.as_ref());
        fields::lease(page, "ID", self.0.id);
        page.field("TTL", self.0.ttl);
    }

    fn json(&self, _hex: bool) -> Json {
        let object = Object::default()
            .with_header_fields(self.0.header.as_ref())
            .with("ID", self.0.id)
            .with("TTL", self.0.ttl);
        object.into()
    }

    fn protobuf(&self) -> Vec<u8> {
        header_bytes(self.0.header.as_ref())
    }
}

impl Answer for TimeToLive {
    const UNSUPPORTED: &'static [(Format, &'static str)] = NO_TABLE;

    fn simple(&self, page: &mut Page) {
        let response = &self.response;
        let id = padded_hex(response.id);
        if response.granted_ttl == 0 && response.ttl == -1 {
            page.line(format!("lease {id} already expired"));
            return;
        }
        let (granted, left) = (response.granted_ttl, response.ttl);
        page.text(&format!(
            "lease {id} granted with TTL({granted}s), remaining({left}s)"
        ));
        if self.keys {
            page.text(", attached keys([");
            page.raw(&response.keys.join(&b' '));
            page.text("])");
        }
        page.line("");
    }

    fn fields(&self, page: &mut Page) {
        fields::header(page, self.response.header.as_ref());
        fields::lease(page, "ID", self.response.id);
        page.field("TTL", self.response.ttl);
        page.field("GrantedTTL", self.response.granted_ttl);
        for key in &self.response.keys {
            page.quoted("Key", key);
        }
    }

    fn json(&self, _hex: bool) -> Json {
        let keys = self.response.keys.iter().map(Json::from).collect();
        let object = Object::default()
            .with_header_fields(self.response.header.as_ref())
            .with("id", self.response.id)
            .with("ttl", self.response.ttl)
            .with("granted-ttl", self.response.granted_ttl)
            .with("keys", nullable(keys));
        object.into()
    }

    fn protobuf(&self) -> Vec<u8> {
        header_bytes(self.response.header.as_ref())
    }
}

impl Answer for Leases {
    const UNSUPPORTED: &'static [(Format, &'static str)] = NO_TABLE;

    fn simple(&self, page: &mut Page) {
        page.line(format!("found {} leases", self.0.leases.len()));
        for lease in &self.0.leases {
            page.line(padded_hex(lease.id));
        }
    }

    fn fields(&self, page: &mut Page) {
        fields::header(page, self.0.header.as_ref());
        for lease in &self.0.leases {
            fields::lease(page, "ID", lease.id);
        }
    }

    fn json(&self, _hex: bool) -> Json {
        let lease = |lease: &etcd::LeaseStatus| Json::from(Object::default().with("id", lease.id));
        let object = Object::default()
            .with_header_fields(self.0.header.as_ref())
            .with("leases", self.0.leases.iter().map(lease).collect::<Vec<_>>());
        object.into()
    }

    fn protobuf(&self) -> Vec<u8> {
        header_bytes(self.0.header.as_ref())
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{check, header};
    use super::*;

    fn time_to_live(ttl: i64, granted_ttl: i64, keys: &[&'static str]) -> TimeToLive {
        let response = etcd::LeaseTimeToLiveResponse {
            header: header(),
            id: 0x123,
            ttl,
            granted_ttl,
            keys: keys.iter().map(|key| (*key).into()).collect(),
        };
        TimeToLive {
            response,
            keys: !keys.is_empty(),
        }
    }

    #[test]
    fn a_lease_tells_what_is_left_of_it() {
        let want = "lease 0000000000000123 granted with TTL(200s), remaining(199s)\n";
        check(&time_to_live(199, 200, &[]), Format::Simple, false, want);
        let want = "lease 0000000000000123 granted with TTL(200s), remaining(199s), attached keys([a b])\n";
        check(&time_to_live(199, 200, &["a", "b"]), Format::Simple, false, want);
        let want = "lease 0000000000000123 already expired\n";
        check(&time_to_live(-1, 0, &[]), Format::Simple, false, want);
    }

    #[test]
    fn json_has_the_header_among_its_fields() {
        let want = concat!(
            r#"{"cluster_id":193,"member_id":161,"revision":7,"raft_term":2,"#,
            r#""id":291,"ttl":-1,"granted-ttl":0,"keys":null}"#,
            "\n"
        );
        check(&time_to_live(-1, 0, &[]), Format::Json, false, want);
        let leases = Leases(etcd::LeaseLeasesResponse::default());
        check(&leases, Format::Json, false, "{\"leases\":[]}\n");
        check(&leases, Format::Simple, false, "found 0 leases\n");
    }
}
