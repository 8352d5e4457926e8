use std::borrow::Cow;

use kv_grpc::Method;

/// Whether the gateway answers this path, if only to say that there is nothing.
pub(crate) fn is_json_path(path: &str) -> bool {
    path.starts_with("/v3/") || path.starts_with("/v3beta/")
}

/// The method of a path. `/v3beta/` is what `/v3/` was called before.
pub(super) fn find(path: &str) -> Option<Method> {
    let path = match path.strip_prefix("/v3beta/") {
        Some(rest) => Cow::Owned(format!("/v3/{rest}")),
        None => Cow::Borrowed(path),
    };
    let name = path.strip_prefix("/v3/")?;
    let route = ROUTES.iter().find(|(route, _)| *route == name);
    route.map(|(_, method)| *method)
}

/// What etcd binds. `RangeStream` and the health service are not among it.
const ROUTES: &[(&str, Method)] = &[
    ("kv/range", Method::Range),
    ("kv/put", Method::Put),
    ("kv/deleterange", Method::DeleteRange),
    ("kv/txn", Method::Txn),
    ("kv/compaction", Method::Compact),
    ("watch", Method::Watch),
    ("lease/grant", Method::LeaseGrant),
    ("lease/revoke", Method::LeaseRevoke),
    ("kv/lease/revoke", Method::LeaseRevoke),
    ("lease/keepalive", Method::LeaseKeepAlive),
    ("lease/timetolive", Method::LeaseTimeToLive),
    ("kv/lease/timetolive", Method::LeaseTimeToLive),
    ("lease/leases", Method::LeaseLeases),
    ("kv/lease/leases", Method::LeaseLeases),
    ("cluster/member/add", Method::MemberAdd),
    ("cluster/member/remove", Method::MemberRemove),
    ("cluster/member/update", Method::MemberUpdate),
    ("cluster/member/list", Method::MemberList),
    ("cluster/member/promote", Method::MemberPromote),
    ("maintenance/alarm", Method::Alarm),
    ("maintenance/status", Method::Status),
    ("maintenance/defragment", Method::Defragment),
    ("maintenance/hash", Method::Hash),
    ("maintenance/hashkv", Method::HashKv),
    ("maintenance/snapshot", Method::Snapshot),
    ("maintenance/transfer-leadership", Method::MoveLeader),
    ("maintenance/downgrade", Method::Downgrade),
    ("auth/enable", Method::AuthEnable),
    ("auth/disable", Method::AuthDisable),
    ("auth/status", Method::AuthStatus),
    ("auth/authenticate", Method::Authenticate),
    ("auth/user/add", Method::UserAdd),
    ("auth/user/get", Method::UserGet),
    ("auth/user/list", Method::UserList),
    ("auth/user/delete", Method::UserDelete),
    ("auth/user/changepw", Method::UserChangePassword),
    ("auth/user/grant", Method::UserGrantRole),
    ("auth/user/revoke", Method::UserRevokeRole),
    ("auth/role/add", Method::RoleAdd),
    ("auth/role/get", Method::RoleGet),
    ("auth/role/list", Method::RoleList),
    ("auth/role/delete", Method::RoleDelete),
    ("auth/role/grant", Method::RoleGrantPermission),
    ("auth/role/revoke", Method::RoleRevokePermission),
    ("lock/lock", Method::Lock),
    ("lock/unlock", Method::Unlock),
    ("election/campaign", Method::Campaign),
    ("election/proclaim", Method::Proclaim),
    ("election/leader", Method::Leader),
    ("election/observe", Method::Observe),
    ("election/resign", Method::Resign),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_method_but_three_has_a_path() {
        let without: Vec<&Method> = Method::ALL
            .iter()
            .filter(|method| !ROUTES.iter().any(|(_, routed)| routed == *method))
            .collect();
        assert_eq!(
            without,
            [&Method::RangeStream, &Method::HealthCheck, &Method::HealthWatch]
        );
        assert_eq!(find("/v3beta/kv/range"), Some(Method::Range));
        assert_eq!(find("/v3/kv/range/"), None);
    }
}
