//! What the commands about snapshots, alarms and downgrades say.

use kv_client::kv_proto::etcdserverpb as etcd;
use kv_client::kv_proto::etcdserverpb::AlarmType;
use kv_embed::FileStatus;
use prost::Message;

use super::json::{Json, Object};
use super::{Answer, Format, NO_PROTOBUF, NO_TABLE, Page, Table, fields};
use crate::text::size::human;

/// What snapshot status says.
#[derive(Debug)]
pub(crate) struct SnapshotStatus(pub(crate) FileStatus);

/// What alarm list and alarm disarm say.
#[derive(Debug)]
pub(crate) struct Alarms(pub(crate) etcd::AlarmResponse);

/// What the downgrade commands say.
#[derive(Debug)]
pub(crate) struct Downgraded {
    /// Which command it was.
    pub(crate) word: &'static str,
    pub(crate) response: etcd::DowngradeResponse,
}

impl Answer for SnapshotStatus {
    const UNSUPPORTED: &'static [(Format, &'static str)] = NO_PROTOBUF;

    fn simple(&self, page: &mut Page) {
        for row in self.table().rows {
            page.line(row.join(", "));
        }
    }

    fn fields(&self, page: &mut Page) {
        page.field("Hash", self.0.hash);
        page.field("Revision", self.0.revision);
        page.field("Keys", self.0.total_keys);
        page.field("Size", self.0.total_bytes);
        page.field("Version", &self.0.version);
    }

    fn json(&self, _hex: bool) -> Json {
        let object = Object::default()
            .with("hash", u64::from(self.0.hash))
            .with("revision", self.0.revision.get())
            .with("totalKey", self.0.total_keys)
            .with("totalSize", self.0.total_bytes)
            .with("version", &self.0.version);
        object.into()
    }

    fn table(&self) -> Table {
        let status = &self.0;
        Table {
            header: vec!["HASH", "REVISION", "TOTAL KEYS", "TOTAL SIZE", "VERSION"],
            rows: vec![vec![
                format!("{:x}", status.hash),
                status.revision.to_string(),
                status.total_keys.to_string(),
                human(status.total_bytes),
                status.version.clone(),
            ]],
        }
    }
}

/// The name of an alarm; its number if it has none.
fn alarm_name(alarm: i32) -> String {
    match AlarmType::try_from(alarm) {
        Ok(alarm) => alarm.as_str_name().to_owned(),
        Err(_) => alarm.to_string(),
    }
}

impl Answer for Alarms {
    const UNSUPPORTED: &'static [(Format, &'static str)] = NO_TABLE;

    fn simple(&self, page: &mut Page) {
        for alarm in &self.0.alarms {
            let name = alarm_name(alarm.alarm);
            page.line(format!("memberID:{} alarm:{name}", alarm.member_id));
        }
    }

    fn fields(&self, page: &mut Page) {
        fields::header(page, self.0.header.as_ref());
        for alarm in &self.0.alarms {
            fields::id(page, "MemberID", alarm.member_id);
            page.field("AlarmType", alarm_name(alarm.alarm));
            page.line("");
        }
    }

    fn json(&self, _hex: bool) -> Json {
        let alarm = |alarm: &etcd::AlarmMember| {
            let object = Object::default()
                .with_some("memberID", alarm.member_id)
                .with_some("alarm", i64::from(alarm.alarm));
            Json::from(object)
        };
        let alarms = self.0.alarms.iter().map(alarm).collect();
        Object::default()
            .with_header(self.0.header.as_ref())
            .with_some("alarms", Json::List(alarms))
            .into()
    }

    fn protobuf(&self) -> Vec<u8> {
        self.0.encode_to_vec()
    }
}

/// What no format but the simple one is for.
const SIMPLE_ONLY: &[(Format, &str)] = &[(Format::Table, "table"), (Format::Fields, "fields")];

impl Answer for Downgraded {
    const UNSUPPORTED: &'static [(Format, &'static str)] = SIMPLE_ONLY;

    fn simple(&self, page: &mut Page) {
        let Self { word, response } = self;
        page.line(format!(
            "Downgrade {word} success, cluster version {}",
            response.version
        ));
    }

    fn fields(&self, page: &mut Page) {
        self.simple(page);
    }

    fn json(&self, _hex: bool) -> Json {
        Object::default()
            .with_header(self.response.header.as_ref())
            .with_some("version", &self.response.version)
            .into()
    }

    fn protobuf(&self) -> Vec<u8> {
        self.response.encode_to_vec()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::print::testing::{check, header};

    #[test]
    fn a_snapshot_is_told_as_etcdutl_tells_it() {
        let status = SnapshotStatus(FileStatus {
            hash: 0xd55_d983,
            revision: kv_embed::Revision::new(31),
            total_keys: 8,
            total_bytes: 49_152,
            version: "3.7.0".into(),
        });
        check(&status, Format::Simple, false, "d55d983, 31, 8, 49 kB, 3.7.0\n");
        let json = r#"{"hash":223730051,"revision":31,"totalKey":8,"totalSize":49152,"version":"3.7.0"}"#;
        check(&status, Format::Json, false, &format!("{json}\n"));
        let fields =
            "\"Hash\" : 223730051\n\"Revision\" : 31\n\"Keys\" : 8\n\"Size\" : 49152\n\"Version\" : 3.7.0\n";
        check(&status, Format::Fields, false, fields);
    }

    #[test]
    fn alarms_are_told_one_a_line() {
        let alarm = |alarm: AlarmType| etcd::AlarmMember {
            member_id: 18,
            alarm: alarm.into(),
        };
        let alarms = Alarms(etcd::AlarmResponse {
            header: header(),
            alarms: vec![alarm(AlarmType::Nospace), alarm(AlarmType::Corrupt)],
        });
        let simple = "memberID:18 alarm:NOSPACE\nmemberID:18 alarm:CORRUPT\n";
        check(&alarms, Format::Simple, false, simple);
        let json = r#"{"header":{"cluster_id":193,"member_id":161,"revision":7,"raft_term":2},"alarms":[{"memberID":18,"alarm":1},{"memberID":18,"alarm":2}]}"#;
        check(&alarms, Format::Json, false, &format!("{json}\n"));
    }

    #[test]
    fn a_downgrade_names_the_version_of_the_cluster() {
        let downgraded = Downgraded {
            word: "validate",
            response: etcd::DowngradeResponse {
                header: header(),
                version: "3.6".into(),
            },
        };
        let simple = "Downgrade validate success, cluster version 3.6\n";
        check(&downgraded, Format::Simple, false, simple);
    }
}
