//! Responses as text. Nothing here calls a server or writes to a file.

mod auth;
mod endpoint;
mod fields;
mod json;
mod kv;
mod lease;
mod member;
mod member_change;
mod page;
mod table;
mod txn;
mod upkeep;
mod watch;

pub(crate) use auth::{AuthStatus, Changed, RoleShown, Roles, UserRoles, Users};
pub(crate) use endpoint::{Hash, Hashes, Health, Healths, Status, Statuses};
pub(crate) use kv::{Deleted, Found, Stored};
pub(crate) use lease::{Granted, KeptAlive, Leases, Revoked, TimeToLive};
pub(crate) use member::Members;
pub(crate) use member_change::{LeaderMoved, MemberAdded, MemberChanged};
pub(crate) use page::Page;
pub(crate) use txn::Done;
pub(crate) use upkeep::{Alarms, Downgraded, SnapshotStatus};
pub(crate) use watch::{Seen, type_name};

use json::Json;
use table::Table;

use crate::failure::{Failure, code};

/// A way of printing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    Simple,
    Fields,
    Json,
    Table,
    Protobuf,
}

impl Format {
    /// The format with this name.
    ///
    /// # Errors
    /// There is none.
    pub(crate) fn named(name: &str) -> Result<Self, Failure> {
        match name {
            "simple" => Ok(Self::Simple),
            "fields" => Ok(Self::Fields),
            "json" => Ok(Self::Json),
            "table" => Ok(Self::Table),
            "protobuf" => Ok(Self::Protobuf),
            _ => Err(Failure::new(code::BAD_FEATURE, "unsupported output format")),
        }
    }
}

/// How to print.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Style {
    pub(crate) format: Format,
    /// Keys, values and IDs in hexadecimal, where the format knows of it.
    pub(crate) hex: bool,
}

/// What a command has to say in the end.
pub(crate) trait Answer {
    /// The formats this cannot be printed in, with their names.
    const UNSUPPORTED: &'static [(Format, &'static str)];

    fn simple(&self, page: &mut Page);
    fn fields(&self, page: &mut Page);
    fn json(&self, hex: bool) -> Json;
    /// For those that support it.
    fn protobuf(&self) -> Vec<u8> {
        Vec::new()
    }
    /// For those that support it.
    fn table(&self) -> Table {
        Table::default()
    }
}

/// What most answers lack.
const NO_TABLE: &[(Format, &str)] = &[(Format::Table, "table")];
/// What answers lack that are no single response.
const NO_PROTOBUF: &[(Format, &str)] = &[(Format::Protobuf, "protobuf")];

impl Style {
    /// Makes sure that an answer can be printed, before anything is asked for: a command that will fail shall not
    /// write first.
    ///
    /// # Errors
    /// It cannot.
    pub(crate) fn check<A: Answer>(self) -> Result<(), Failure> {
        match A::UNSUPPORTED.iter().find(|(format, _)| *format == self.format) {
            Some((_, name)) => {
                let text = format!("{name} not supported as output format");
                Err(Failure::new(code::BAD_FEATURE, text))
            }
            None => Ok(()),
        }
    }

    /// Prints an answer.
    pub(crate) fn render<A: Answer>(self, answer: &A) -> Page {
        let mut page = Page::new(self.hex);
        match self.format {
            Format::Simple => answer.simple(&mut page),
            Format::Fields => answer.fields(&mut page),
            Format::Json => page.line(answer.json(self.hex).to_string()),
            Format::Table => page.text(&answer.table().to_string()),
            Format::Protobuf => page.raw(&answer.protobuf()),
        }
        page
    }
}

#[cfg(test)]
mod testing {
    use super::*;
    use kv_client::kv_proto::etcdserverpb::ResponseHeader;
    use kv_client::kv_proto::mvccpb::KeyValue;

    pub(crate) fn header() -> Option<ResponseHeader> {
        Some(ResponseHeader {
            cluster_id: 0xc1,
            member_id: 0xa1,
            revision: 7,
            raft_term: 2,
        })
    }

    pub(crate) fn pair(key: &'static str, value: &'static str) -> KeyValue {
        KeyValue {
            key: key.into(),
            value: value.into(),
            create_revision: 3,
            mod_revision: 5,
            version: 2,
            lease: 0,
        }
    }

    #[track_caller]
    pub(crate) fn check<A: Answer>(answer: &A, format: Format, hex: bool, want: &str) {
        let page = Style { format, hex }.render(answer);
        assert_eq!(String::from_utf8_lossy(&page.out), want);
    }
}
