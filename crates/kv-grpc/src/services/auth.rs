use kv_proto::{authpb, etcdserverpb as etcd};
use kv_server::{Permission, PermissionKind, Server};
use kv_types::KeyRange;
use tonic::Status;

use crate::convert;
use crate::error::status;

fn header(server: &Server) -> Option<etcd::ResponseHeader> {
    Some(convert::header(server.header()))
}

pub(crate) async fn enable(
    server: Server,
    _: etcd::AuthEnableRequest,
) -> Result<etcd::AuthEnableResponse, Status> {
    server.auth_enable().await.map_err(status)?;
    Ok(etcd::AuthEnableResponse {
        header: header(&server),
    })
}

pub(crate) async fn disable(
    server: Server,
    _: etcd::AuthDisableRequest,
) -> Result<etcd::AuthDisableResponse, Status> {
    server.auth_disable().await.map_err(status)?;
    Ok(etcd::AuthDisableResponse {
        header: header(&server),
    })
}

pub(crate) async fn auth_status(
    server: Server,
    _: etcd::AuthStatusRequest,
) -> Result<etcd::AuthStatusResponse, Status> {
    let (enabled, revision) = server.auth_status().await.map_err(status)?;
    Ok(etcd::AuthStatusResponse {
        header: header(&server),
        enabled,
        auth_revision: revision.get(),
    })
}

pub(crate) async fn authenticate(
    server: Server,
    request: etcd::AuthenticateRequest,
) -> Result<etcd::AuthenticateResponse, Status> {
    let token = server
        .authenticate(&request.name, &request.password)
        .await
        .map_err(status)?;
    Ok(etcd::AuthenticateResponse {
        header: header(&server),
        token,
    })
}

pub(crate) async fn user_add(
    server: Server,
    request: etcd::AuthUserAddRequest,
) -> Result<etcd::AuthUserAddResponse, Status> {
    let has_password = !request.options.is_some_and(|options| options.no_password);
    let password = has_password.then_some(request.password);
    server.user_add(request.name, password).await.map_err(status)?;
    Ok(etcd::AuthUserAddResponse {
        header: header(&server),
    })
}

pub(crate) async fn user_get(
    server: Server,
    request: etcd::AuthUserGetRequest,
) -> Result<etcd::AuthUserGetResponse, Status> {
    let roles = server.user_get(&request.name).await.map_err(status)?;
    Ok(etcd::AuthUserGetResponse {
        header: header(&server),
        roles,
    })
}

pub(crate) async fn user_list(
    server: Server,
    _: etcd::AuthUserListRequest,
) -> Result<etcd::AuthUserListResponse, Status> {
    let users = server.user_list().await.map_err(status)?;
    Ok(etcd::AuthUserListResponse {
        header: header(&server),
        users,
    })
}

pub(crate) async fn user_delete(
    server: Server,
    request: etcd::AuthUserDeleteRequest,
) -> Result<etcd::AuthUserDeleteResponse, Status> {
    server.user_delete(request.name).await.map_err(status)?;
    Ok(etcd::AuthUserDeleteResponse {
        header: header(&server),
    })
}

pub(crate) async fn user_change_password(
    server: Server,
    request: etcd::AuthUserChangePasswordRequest,
) -> Result<etcd::AuthUserChangePasswordResponse, Status> {
    server
        .user_change_password(request.name, request.password)
        .await
        .map_err(status)?;
    Ok(etcd::AuthUserChangePasswordResponse {
        header: header(&server),
    })
}

pub(crate) async fn user_grant_role(
    server: Server,
    request: etcd::AuthUserGrantRoleRequest,
) -> Result<etcd::AuthUserGrantRoleResponse, Status> {
    server
        .user_grant_role(request.user, request.role)
        .await
        .map_err(status)?;
    Ok(etcd::AuthUserGrantRoleResponse {
        header: header(&server),
    })
}

pub(crate) async fn user_revoke_role(
    server: Server,
    request: etcd::AuthUserRevokeRoleRequest,
) -> Result<etcd::AuthUserRevokeRoleResponse, Status> {
    server
        .user_revoke_role(request.name, request.role)
        .await
        .map_err(status)?;
    Ok(etcd::AuthUserRevokeRoleResponse {
        header: header(&server),
    })
}

pub(crate) async fn role_add(
    server: Server,
    request: etcd::AuthRoleAddRequest,
) -> Result<etcd::AuthRoleAddResponse, Status> {
    server.role_add(request.name).await.map_err(status)?;
    Ok(etcd::AuthRoleAddResponse {
        header: header(&server),
    })
}

/// The role `root` shows as the right to everything, whatever was granted to it.
pub(crate) async fn role_get(
    server: Server,
    request: etcd::AuthRoleGetRequest,
) -> Result<etcd::AuthRoleGetResponse, Status> {
    let role = server.role_get(&request.role).await.map_err(status)?;
    let perm = if role.name == "root" {
        vec![everything()]
    } else {
        role.permissions.into_iter().map(permission_to_wire).collect()
    };
    Ok(etcd::AuthRoleGetResponse {
        header: header(&server),
        perm,
    })
}

fn everything() -> authpb::Permission {
    authpb::Permission {
        perm_type: PermissionKind::ReadWrite.to_wire(),
        range_end: vec![0].into(),
        ..Default::default()
    }
}

fn permission_to_wire(permission: Permission) -> authpb::Permission {
    let range_end = permission.range.wire_end().to_vec();
    authpb::Permission {
        perm_type: permission.kind.to_wire(),
        key: permission.range.start,
        range_end: range_end.into(),
    }
}

pub(crate) async fn role_list(
    server: Server,
    _: etcd::AuthRoleListRequest,
) -> Result<etcd::AuthRoleListResponse, Status> {
    let roles = server.role_list().await.map_err(status)?;
    Ok(etcd::AuthRoleListResponse {
        header: header(&server),
        roles,
    })
}

pub(crate) async fn role_delete(
    server: Server,
    request: etcd::AuthRoleDeleteRequest,
) -> Result<etcd::AuthRoleDeleteResponse, Status> {
    server.role_delete(request.role).await.map_err(status)?;
    Ok(etcd::AuthRoleDeleteResponse {
        header: header(&server),
    })
}

pub(crate) async fn role_grant_permission(
    server: Server,
    request: etcd::AuthRoleGrantPermissionRequest,
) -> Result<etcd::AuthRoleGrantPermissionResponse, Status> {
    let permission = request.perm.map(|perm| Permission {
        kind: PermissionKind::from_wire(perm.perm_type),
        range: KeyRange::from_wire(perm.key, perm.range_end),
    });
    server
        .role_grant_permission(request.name, permission)
        .await
        .map_err(status)?;
    Ok(etcd::AuthRoleGrantPermissionResponse {
        header: header(&server),
    })
}

pub(crate) async fn role_revoke_permission(
    server: Server,
    request: etcd::AuthRoleRevokePermissionRequest,
) -> Result<etcd::AuthRoleRevokePermissionResponse, Status> {
    let range = KeyRange::from_wire(request.key, request.range_end);
    server
        .role_revoke_permission(request.role, range)
        .await
        .map_err(status)?;
    Ok(etcd::AuthRoleRevokePermissionResponse {
        header: header(&server),
    })
}
