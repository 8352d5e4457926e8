//! Who may call which method.
//!
//! Every call comes through here, by whatever way: the gateway and the services that are clients of this one, too.
//! Rights on single keys are judged in `kv_server`, which knows the keys.

use http::HeaderMap;
use kv_server::{Credentials, Server};
use tonic::Status;

use crate::Method;
use crate::error::status;

/// What a method asks of its caller while auth is enabled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Need {
    /// Nothing.
    Nothing,
    /// Any user.
    User,
    /// The role `root`.
    Root,
    /// What depends on the message: rights on its keys, or being the user it speaks of. [`Server`] judges it.
    ByMessage,
}

/// What a method asks of its caller. As etcd, with one exception: a health check tells nothing that needs a user.
pub fn need(method: Method) -> Need {
    match method {
        Method::Authenticate | Method::AuthStatus | Method::HealthCheck | Method::HealthWatch => {
            Need::Nothing
        }
        Method::Status | Method::LeaseGrant => Need::User,
        Method::Compact
        | Method::MemberAdd
        | Method::MemberRemove
        | Method::MemberUpdate
        | Method::MemberPromote
        | Method::Defragment
        | Method::Hash
        | Method::HashKv
        | Method::Snapshot
        | Method::MoveLeader
        | Method::Downgrade
        | Method::AuthEnable
        | Method::AuthDisable
        | Method::UserAdd
        | Method::UserList
        | Method::UserDelete
        | Method::UserChangePassword
        | Method::UserGrantRole
        | Method::UserRevokeRole
        | Method::RoleAdd
        | Method::RoleList
        | Method::RoleDelete
        | Method::RoleGrantPermission
        | Method::RoleRevokePermission => Need::Root,
        Method::Range
        | Method::Txn
        | Method::Put
        | Method::DeleteRange
        | Method::RangeStream
        | Method::Watch
        | Method::LeaseRevoke
        | Method::LeaseKeepAlive
        | Method::LeaseTimeToLive
        | Method::LeaseLeases
        | Method::MemberList
        | Method::Alarm
        | Method::UserGet
        | Method::RoleGet
        | Method::Lock
        | Method::Unlock
        | Method::Campaign
        | Method::Proclaim
        | Method::Leader
        | Method::Observe
        | Method::Resign => Need::ByMessage,
    }
}

/// Succeeds if the handle's caller may call the method at all.
///
/// # Errors
/// etcd's status for whoever may not.
pub async fn judge(server: &Server, method: Method) -> Result<(), Status> {
    match need(method) {
        Need::Nothing | Need::ByMessage => Ok(()),
        Need::User => server.require_user().await.map_err(status),
        Need::Root => server.require_root().await.map_err(status),
    }
}

/// What the metadata of a call brings: `token`, and without it `authorization`, as the gateway passes it on.
pub fn credentials(headers: &HeaderMap) -> Credentials {
    let token = headers.get("token").or_else(|| headers.get("authorization"));
    match token {
        // What is no text is no token that anybody was given.
        Some(token) => Credentials::token(token.to_str().unwrap_or_default()),
        None => Credentials::None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_token_is_taken_from_either_header_and_never_shown() {
        let found = |pairs: &[(&'static str, &'static str)]| {
            let mut headers = HeaderMap::new();
            for (name, value) in pairs {
                headers.insert(*name, value.parse().unwrap());
            }
            credentials(&headers)
        };
        let want = Credentials::token("a.1");
        assert_eq!(found(&[("token", "a.1"), ("authorization", "b.2")]), want);
        assert_eq!(found(&[("authorization", "Bearer a.1")]), want);
        assert_eq!(found(&[("authorization", "a.1")]), want);
        assert_eq!(found(&[("token", "")]), Credentials::token(""));
        assert_eq!(found(&[]), Credentials::None);
        assert!(!format!("{want:?}").contains("a.1"));
    }
}
