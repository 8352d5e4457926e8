//! What auth, user and role commands say.

use kv_client::kv_proto::authpb;
use kv_client::kv_proto::etcdserverpb as etcd;
use kv_client::prefix_end;
use prost::Message;

use super::json::{Json, Object, texts};
use super::{Answer, Format, NO_TABLE, Page, fields};

const SIMPLE_AND_JSON: &[(Format, &str)] = &[(Format::Table, "table"), (Format::Fields, "fields")];

/// What a command says that changes something: its answer is a header and no more.
#[derive(Debug)]
pub(crate) struct Changed {
    pub(crate) header: Option<etcd::ResponseHeader>,
    pub(crate) text: String,
}

/// What auth status says.
#[derive(Debug)]
pub(crate) struct AuthStatus(pub(crate) etcd::AuthStatusResponse);

/// What user get says.
#[derive(Debug)]
pub(crate) struct UserRoles {
    pub(crate) name: String,
    pub(crate) response: etcd::AuthUserGetResponse,
}

/// What user list says.
#[derive(Debug)]
pub(crate) struct Users(pub(crate) etcd::AuthUserListResponse);

/// What role list says.
#[derive(Debug)]
pub(crate) struct Roles(pub(crate) etcd::AuthRoleListResponse);

/// What role get says.
#[derive(Debug)]
pub(crate) struct RoleShown {
    pub(crate) name: String,
    pub(crate) response: etcd::AuthRoleGetResponse,
}

impl Answer for Changed {
    const UNSUPPORTED: &'static [(Format, &'static str)] = NO_TABLE;

    fn simple(&self, page: &mut Page) {
        page.line(&self.text);
    }

    fn fields(&self, page: &mut Page) {
        fields::header(page, self.header.as_ref());
    }

    fn json(&self, _hex: bool) -> Json {
        Object::default().with_header(self.header.as_ref()).into()
    }

    /// All these answers have the header as their first field.
    fn protobuf(&self) -> Vec<u8> {
        etcd::AuthEnableResponse { header: self.header }.encode_to_vec()
    }
}

impl Answer for AuthStatus {
    const UNSUPPORTED: &'static [(Format, &'static str)] = SIMPLE_AND_JSON;

    fn simple(&self, page: &mut Page) {
        page.line(format!("Authentication Status: {}", self.0.enabled));
        page.line(format!("AuthRevision: {}", self.0.auth_revision));
    }

    fn fields(&self, _: &mut Page) {}

    fn json(&self, _hex: bool) -> Json {
        let object = Object::default()
            .with_header(self.0.header.as_ref())
            .with_some("enabled", self.0.enabled)
            .with_some("authRevision", self.0.auth_revision);
        object.into()
    }

    fn protobuf(&self) -> Vec<u8> {
        self.0.encode_to_vec()
    }
}

impl Answer for UserRoles {
    const UNSUPPORTED: &'static [(Format, &'static str)] = SIMPLE_AND_JSON;

    fn simple(&self, page: &mut Page) {
        page.line(format!("User: {}", self.name));
        let roles: String = self
            .response
            .roles
            .iter()
            .map(|role| format!(" {role}"))
            .collect();
        page.line(format!("Roles:{roles}"));
    }

    fn fields(&self, _: &mut Page) {}

    fn json(&self, _hex: bool) -> Json {
        let object = Object::default()
            .with_header(self.response.header.as_ref())
            .with_some("roles", texts(&self.response.roles));
        object.into()
    }

    fn protobuf(&self) -> Vec<u8> {
        self.response.encode_to_vec()
    }
}

impl Answer for Users {
    const UNSUPPORTED: &'static [(Format, &'static str)] = SIMPLE_AND_JSON;

    fn simple(&self, page: &mut Page) {
        self.0.users.iter().for_each(|user| page.line(user));
    }

    fn fields(&self, _: &mut Page) {}

    fn json(&self, _hex: bool) -> Json {
        let object = Object::default()
            .with_header(self.0.header.as_ref())
            .with_some("users", texts(&self.0.users));
        object.into()
    }

    fn protobuf(&self) -> Vec<u8> {
        self.0.encode_to_vec()
    }
}

impl Answer for Roles {
    const UNSUPPORTED: &'static [(Format, &'static str)] = NO_TABLE;

    fn simple(&self, page: &mut Page) {
        self.0.roles.iter().for_each(|role| page.line(role));
    }

    fn fields(&self, page: &mut Page) {
        fields::header(page, self.0.header.as_ref());
        let quote = |role: &String| format!(" {}", crate::text::quote::quote(role.as_bytes()));
        let roles: String = self.0.roles.iter().map(quote).collect();
        page.line(format!("\"Roles\" :{roles}"));
    }

    fn json(&self, _hex: bool) -> Json {
        let object = Object::default()
            .with_header(self.0.header.as_ref())
            .with_some("roles", texts(&self.0.roles));
        object.into()
    }

    fn protobuf(&self) -> Vec<u8> {
        self.0.encode_to_vec()
    }
}

const READ: i32 = 0;
const WRITE: i32 = 1;
const READ_WRITE: i32 = 2;

impl RoleShown {
    fn ranges(&self, page: &mut Page, kind: i32) {
        let permissions = &self.response.perm;
        for permission in permissions
            .iter()
            .filter(|permission| [kind, READ_WRITE].contains(&permission.perm_type))
        {
            page.line(range(permission));
        }
    }
}

/// The keys of a permission, on a line of their own.
fn range(permission: &authpb::Permission) -> Vec<u8> {
    let (key, end) = (&permission.key[..], &permission.range_end[..]);
    let (open, close): (&[u8], &[u8]) = match end {
        [] => return [b"\t", key].concat(),
        [0] => (b"<open ended>", b""),
        end => (end, b")"),
    };
    let mut line = [b"\t[", key, b", ", open, close].concat();
    if !key.is_empty() && prefix_end(key) == end {
        line.extend([b" (prefix ", key, b")"].concat());
    }
    line
}

impl Answer for RoleShown {
    const UNSUPPORTED: &'static [(Format, &'static str)] = NO_TABLE;

    fn simple(&self, page: &mut Page) {
        page.line(format!("Role {}", self.name));
        for (title, kind) in [("KV Read:", READ), ("KV Write:", WRITE)] {
            page.line(title);
            if self.name == "root" && self.response.perm.is_empty() {
                page.line("\t[, <open ended>");
            }
            self.ranges(page, kind);
        }
    }

    fn fields(&self, page: &mut Page) {
        fields::header(page, self.response.header.as_ref());
        for permission in &self.response.perm {
            // Two spaces, as etcdctl has it.
            let kind = match permission.perm_type {
                READ => "READ".to_owned(),
                WRITE => "WRITE".to_owned(),
                READ_WRITE => "READWRITE".to_owned(),
                other => other.to_string(),
            };
            page.field("PermType", format_args!(" {kind}"));
            page.quoted("Key", &permission.key);
            page.quoted("RangeEnd", &permission.range_end);
        }
    }

    fn json(&self, _hex: bool) -> Json {
        let permission = |permission: &authpb::Permission| -> Json {
            let object = Object::default()
                .with_some("permType", i64::from(permission.perm_type))
                .with_some("key", &permission.key)
                .with_some("range_end", &permission.range_end);
            object.into()
        };
        let permissions: Vec<Json> = self.response.perm.iter().map(permission).collect();
        let object = Object::default()
            .with_header(self.response.header.as_ref())
            .with_some("perm", permissions);
        object.into()
    }

    fn protobuf(&self) -> Vec<u8> {
        self.response.encode_to_vec()
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{check, header};
    use super::*;

    #[test]
    fn permissions_print_as_ranges() {
        let permission = |perm_type, key: &'static str, end: &'static str| authpb::Permission {
            perm_type,
            key: key.into(),
            range_end: end.into(),
        };
        let role = RoleShown {
            name: "r".into(),
            response: etcd::AuthRoleGetResponse {
                header: header(),
                perm: vec![
                    permission(READ, "a", ""),
                    permission(READ_WRITE, "b", "c"),
                    permission(WRITE, "x", "\0"),
                    permission(READ, "d", "f"),
                ],
            },
        };
        let want = "Role r\nKV Read:\n\ta\n\t[b, c) (prefix b)\n\t[d, f)\nKV Write:\n\t[b, c) (prefix b)\n\t[x, <open ended>\n";
        check(&role, Format::Simple, false, want);
    }

    #[test]
    fn users_print_with_their_roles() {
        let user = UserRoles {
            name: "u".into(),
            response: etcd::AuthUserGetResponse {
                header: None,
                roles: vec!["a".into(), "b".into()],
            },
        };
        check(&user, Format::Simple, false, "User: u\nRoles: a b\n");
        check(&user, Format::Json, false, "{\"roles\":[\"a\",\"b\"]}\n");
    }
}
