//! Every method there is, by its full name.

/// Whether a method's requests and responses are streams.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// One request, one response.
    Unary,
    /// One request, many responses.
    ServerStream,
    /// Many requests, many responses.
    BidiStream,
}

impl Kind {
    /// The name that metrics use.
    pub fn name(self) -> &'static str {
        match self {
            Self::Unary => "unary",
            Self::ServerStream => "server_stream",
            Self::BidiStream => "bidi_stream",
        }
    }
}

macro_rules! methods {
    ($($service:literal { $($variant:ident = $kind:ident $name:literal,)* })*) => {
        /// A method of one of the services, served or not.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Method {
            $($(#[doc = concat!("`", $service, "/", $name, "`")] $variant,)*)*
        }

        impl Method {
            /// All of them, in the order of their declaration.
            pub const ALL: &[Self] = &[$($(Self::$variant,)*)*];

            /// The method of a request path.
            pub fn from_path(path: &str) -> Option<Self> {
                match path {
                    $($(concat!("/", $service, "/", $name) => Some(Self::$variant),)*)*
                    _ => None,
                }
            }

            /// The service it belongs to, with its package.
            pub fn service(self) -> &'static str {
                match self {
                    $($(Self::$variant)|* => $service,)*
                }
            }

            /// Its name within the service.
            pub fn name(self) -> &'static str {
                match self {
                    $($(Self::$variant => $name,)*)*
                }
            }

            /// Its shape.
            pub fn kind(self) -> Kind {
                match self {
                    $($(Self::$variant => Kind::$kind,)*)*
                }
            }
        }

        const SERVICES: &[&str] = &[$($service,)*];
    };
}

methods! {
    "etcdserverpb.KV" {
        Range = Unary "Range",
        Txn = Unary "Txn",
        Put = Unary "Put",
        DeleteRange = Unary "DeleteRange",
        Compact = Unary "Compact",
        RangeStream = ServerStream "RangeStream",
    }
    "etcdserverpb.Watch" {
        Watch = BidiStream "Watch",
    }
    "etcdserverpb.Lease" {
        LeaseGrant = Unary "LeaseGrant",
        LeaseRevoke = Unary "LeaseRevoke",
        LeaseKeepAlive = BidiStream "LeaseKeepAlive",
        LeaseTimeToLive = Unary "LeaseTimeToLive",
        LeaseLeases = Unary "LeaseLeases",
    }
    "etcdserverpb.Cluster" {
        MemberAdd = Unary "MemberAdd",
        MemberRemove = Unary "MemberRemove",
        MemberUpdate = Unary "MemberUpdate",
        MemberList = Unary "MemberList",
        MemberPromote = Unary "MemberPromote",
    }
    "etcdserverpb.Maintenance" {
        Alarm = Unary "Alarm",
        Status = Unary "Status",
        Defragment = Unary "Defragment",
        Hash = Unary "Hash",
        HashKv = Unary "HashKV",
        Snapshot = ServerStream "Snapshot",
        MoveLeader = Unary "MoveLeader",
        Downgrade = Unary "Downgrade",
    }
    "etcdserverpb.Auth" {
        AuthEnable = Unary "AuthEnable",
        AuthDisable = Unary "AuthDisable",
        AuthStatus = Unary "AuthStatus",
        Authenticate = Unary "Authenticate",
        UserAdd = Unary "UserAdd",
        UserGet = Unary "UserGet",
        UserList = Unary "UserList",
        UserDelete = Unary "UserDelete",
        UserChangePassword = Unary "UserChangePassword",
        UserGrantRole = Unary "UserGrantRole",
        UserRevokeRole = Unary "UserRevokeRole",
        RoleAdd = Unary "RoleAdd",
        RoleGet = Unary "RoleGet",
        RoleList = Unary "RoleList",
        RoleDelete = Unary "RoleDelete",
        RoleGrantPermission = Unary "RoleGrantPermission",
        RoleRevokePermission = Unary "RoleRevokePermission",
    }
    "v3lockpb.Lock" {
        Lock = Unary "Lock",
        Unlock = Unary "Unlock",
    }
    "v3electionpb.Election" {
        Campaign = Unary "Campaign",
        Proclaim = Unary "Proclaim",
        Leader = Unary "Leader",
        Observe = ServerStream "Observe",
        Resign = Unary "Resign",
    }
    "grpc.health.v1.Health" {
        HealthCheck = Unary "Check",
        HealthWatch = ServerStream "Watch",
    }
}

impl Method {
    /// Whether a learner serves it: of ranges, those that are serializable.
    pub(crate) fn is_for_learners(self) -> bool {
        matches!(self, Self::Status | Self::Snapshot | Self::Range)
    }
}

/// What a call to an unknown method is told.
pub(crate) fn unknown(path: &str) -> String {
    match path.strip_prefix('/').and_then(|path| path.rsplit_once('/')) {
        Some((service, method)) if SERVICES.contains(&service) => {
            format!("unknown method {method} for service {service}")
        }
        Some((service, _)) => format!("unknown service {service}"),
        None => format!("malformed method name: {path:?}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_method_is_found_by_its_path() {
        for (index, method) in Method::ALL.iter().enumerate() {
            let path = format!("/{}/{}", method.service(), method.name());
            assert_eq!(Method::from_path(&path), Some(*method));
            assert_eq!(*method as usize, index);
        }
        assert_eq!(Method::from_path("/etcdserverpb.KV/Nope"), None);
        assert_eq!(Method::ALL.len(), 51);
    }

    #[test]
    fn unknown_names_are_told_apart() {
        assert_eq!(
            unknown("/etcdserverpb.KV/Nope"),
            "unknown method Nope for service etcdserverpb.KV"
        );
        assert_eq!(unknown("/a.B/C"), "unknown service a.B");
        assert_eq!(unknown("x"), "malformed method name: \"x\"");
    }
}
