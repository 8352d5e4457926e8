//! What is on the wire: names and numbers, checked against bytes and paths written by hand.
#![expect(clippy::unwrap_used, reason = "a test")]

use std::convert::Infallible;
use std::future::{Ready, ready};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};

use bytes::Bytes;
use kv_proto::etcdserverpb::{self as etcd, request_op, watch_request};
use kv_proto::{mvccpb, v3electionpb, v3lockpb};
use prost::Message;
use tonic::body::Body;

/// Answers every call with "unimplemented" and keeps the path.
#[derive(Clone, Default)]
struct Paths(Arc<Mutex<Vec<String>>>);

impl tower::Service<http::Request<Body>> for Paths {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = Ready<Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        self.0.lock().unwrap().push(request.uri().path().to_owned());
        ready(Ok(tonic::Status::unimplemented("").into_http()))
    }
}

macro_rules! check_paths {
    ($($client:path { $($method:ident($request:expr) => $path:literal),* $(,)? })*) => {{
        let paths = Paths::default();
        let mut expected = Vec::new();
        $({
            use $client as Client;
            let mut client = Client::new(paths.clone());
            $(
                let _ = client.$method($request).await;
                expected.push($path);
            )*
        })*
        assert_eq!(*paths.0.lock().unwrap(), expected);
    }};
}

#[tokio::test]
async fn full_method_names_are_etcds() {
    use tokio_stream::empty;
    check_paths! {
        etcd::kv_client::KvClient {
            range(etcd::RangeRequest::default()) => "/etcdserverpb.KV/Range",
            range_stream(etcd::RangeRequest::default()) => "/etcdserverpb.KV/RangeStream",
            put(etcd::PutRequest::default()) => "/etcdserverpb.KV/Put",
            delete_range(etcd::DeleteRangeRequest::default()) => "/etcdserverpb.KV/DeleteRange",
            txn(etcd::TxnRequest::default()) => "/etcdserverpb.KV/Txn",
            compact(etcd::CompactionRequest::default()) => "/etcdserverpb.KV/Compact",
        }
        etcd::watch_client::WatchClient {
            watch(empty()) => "/etcdserverpb.Watch/Watch",
        }
        etcd::lease_client::LeaseClient {
            lease_grant(etcd::LeaseGrantRequest::default()) => "/etcdserverpb.Lease/LeaseGrant",
            lease_revoke(etcd::LeaseRevokeRequest::default()) => "/etcdserverpb.Lease/LeaseRevoke",
            lease_keep_alive(empty()) => "/etcdserverpb.Lease/LeaseKeepAlive",
            lease_time_to_live(etcd::LeaseTimeToLiveRequest::default()) => "/etcdserverpb.Lease/LeaseTimeToLive",
            lease_leases(etcd::LeaseLeasesRequest::default()) => "/etcdserverpb.Lease/LeaseLeases",
        }
        etcd::cluster_client::ClusterClient {
            member_add(etcd::MemberAddRequest::default()) => "/etcdserverpb.Cluster/MemberAdd",
            member_remove(etcd::MemberRemoveRequest::default()) => "/etcdserverpb.Cluster/MemberRemove",
            member_update(etcd::MemberUpdateRequest::default()) => "/etcdserverpb.Cluster/MemberUpdate",
            member_list(etcd::MemberListRequest::default()) => "/etcdserverpb.Cluster/MemberList",
            member_promote(etcd::MemberPromoteRequest::default()) => "/etcdserverpb.Cluster/MemberPromote",
        }
        etcd::maintenance_client::MaintenanceClient {
            alarm(etcd::AlarmRequest::default()) => "/etcdserverpb.Maintenance/Alarm",
            status(etcd::StatusRequest::default()) => "/etcdserverpb.Maintenance/Status",
            defragment(etcd::DefragmentRequest::default()) => "/etcdserverpb.Maintenance/Defragment",
            hash(etcd::HashRequest::default()) => "/etcdserverpb.Maintenance/Hash",
            hash_kv(etcd::HashKvRequest::default()) => "/etcdserverpb.Maintenance/HashKV",
            snapshot(etcd::SnapshotRequest::default()) => "/etcdserverpb.Maintenance/Snapshot",
            move_leader(etcd::MoveLeaderRequest::default()) => "/etcdserverpb.Maintenance/MoveLeader",
            downgrade(etcd::DowngradeRequest::default()) => "/etcdserverpb.Maintenance/Downgrade",
        }
        etcd::auth_client::AuthClient {
            auth_enable(etcd::AuthEnableRequest::default()) => "/etcdserverpb.Auth/AuthEnable",
            auth_disable(etcd::AuthDisableRequest::default()) => "/etcdserverpb.Auth/AuthDisable",
            auth_status(etcd::AuthStatusRequest::default()) => "/etcdserverpb.Auth/AuthStatus",
            authenticate(etcd::AuthenticateRequest::default()) => "/etcdserverpb.Auth/Authenticate",
            user_add(etcd::AuthUserAddRequest::default()) => "/etcdserverpb.Auth/UserAdd",
            user_get(etcd::AuthUserGetRequest::default()) => "/etcdserverpb.Auth/UserGet",
            user_list(etcd::AuthUserListRequest::default()) => "/etcdserverpb.Auth/UserList",
            user_delete(etcd::AuthUserDeleteRequest::default()) => "/etcdserverpb.Auth/UserDelete",
            user_change_password(etcd::AuthUserChangePasswordRequest::default())
                => "/etcdserverpb.Auth/UserChangePassword",
            user_grant_role(etcd::AuthUserGrantRoleRequest::default()) => "/etcdserverpb.Auth/UserGrantRole",
            user_revoke_role(etcd::AuthUserRevokeRoleRequest::default()) => "/etcdserverpb.Auth/UserRevokeRole",
            role_add(etcd::AuthRoleAddRequest::default()) => "/etcdserverpb.Auth/RoleAdd",
            role_get(etcd::AuthRoleGetRequest::default()) => "/etcdserverpb.Auth/RoleGet",
            role_list(etcd::AuthRoleListRequest::default()) => "/etcdserverpb.Auth/RoleList",
            role_delete(etcd::AuthRoleDeleteRequest::default()) => "/etcdserverpb.Auth/RoleDelete",
            role_grant_permission(etcd::AuthRoleGrantPermissionRequest::default())
                => "/etcdserverpb.Auth/RoleGrantPermission",
            role_revoke_permission(etcd::AuthRoleRevokePermissionRequest::default())
                => "/etcdserverpb.Auth/RoleRevokePermission",
        }
        v3lockpb::lock_client::LockClient {
            lock(v3lockpb::LockRequest::default()) => "/v3lockpb.Lock/Lock",
            unlock(v3lockpb::UnlockRequest::default()) => "/v3lockpb.Lock/Unlock",
        }
        v3electionpb::election_client::ElectionClient {
            campaign(v3electionpb::CampaignRequest::default()) => "/v3electionpb.Election/Campaign",
            proclaim(v3electionpb::ProclaimRequest::default()) => "/v3electionpb.Election/Proclaim",
            leader(v3electionpb::LeaderRequest::default()) => "/v3electionpb.Election/Leader",
            observe(v3electionpb::LeaderRequest::default()) => "/v3electionpb.Election/Observe",
            resign(v3electionpb::ResignRequest::default()) => "/v3electionpb.Election/Resign",
        }
        kv_proto::grpc::health::v1::health_client::HealthClient {
            check(kv_proto::grpc::health::v1::HealthCheckRequest::default()) => "/grpc.health.v1.Health/Check",
            watch(kv_proto::grpc::health::v1::HealthCheckRequest::default()) => "/grpc.health.v1.Health/Watch",
        }
    }
}

#[track_caller]
fn check<M: Message + Default + PartialEq + std::fmt::Debug>(message: &M, wire: &[u8]) {
    assert_eq!(message.encode_to_vec(), wire);
    assert_eq!(&M::decode(wire).unwrap(), message);
}

#[test]
fn field_numbers_are_etcds() {
    check(
        &etcd::RangeRequest {
            key: Bytes::from_static(b"k"),
            range_end: Bytes::from_static(b"l"),
            limit: 1,
            revision: 2,
            sort_order: 2,
            sort_target: 4,
            serializable: true,
            keys_only: true,
            count_only: true,
            min_mod_revision: 3,
            max_mod_revision: 4,
            min_create_revision: 5,
            max_create_revision: 6,
        },
        b"\x0a\x01k\x12\x01l\x18\x01\x20\x02\x28\x02\x30\x04\x38\x01\x40\x01\x48\x01\x50\x03\x58\x04\x60\x05\x68\x06",
    );
    check(
        &etcd::Compare {
            result: 3,
            target: 4,
            key: Bytes::from_static(b"k"),
            target_union: Some(etcd::compare::TargetUnion::Lease(7)),
            range_end: Bytes::from_static(b"\0"),
        },
        b"\x08\x03\x10\x04\x1a\x01k\x40\x07\x82\x04\x01\0",
    );
    check(
        &etcd::RequestOp {
            request: Some(request_op::Request::RequestTxn(etcd::TxnRequest::default())),
        },
        b"\x22\x00",
    );
    check(
        &etcd::WatchRequest {
            request_union: Some(watch_request::RequestUnion::CreateRequest(
                etcd::WatchCreateRequest {
                    key: Bytes::from_static(b"k"),
                    filters: vec![0, 1],
                    watch_id: 9,
                    fragment: true,
                    ..Default::default()
                },
            )),
        },
        b"\x0a\x0b\x0a\x01k\x2a\x02\x00\x01\x38\x09\x40\x01",
    );
    check(
        &etcd::WatchResponse {
            header: Some(etcd::ResponseHeader { cluster_id: 1, member_id: 2, revision: 3, raft_term: 4 }),
            watch_id: -1,
            events: vec![mvccpb::Event { r#type: 1, ..Default::default() }],
            ..Default::default()
        },
        b"\x0a\x08\x08\x01\x10\x02\x18\x03\x20\x04\x10\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01\x5a\x02\x08\x01",
    );
    check(
        &mvccpb::KeyValue {
            key: Bytes::from_static(b"k"),
            create_revision: 1,
            mod_revision: 2,
            version: 3,
            value: Bytes::from_static(b"v"),
            lease: 4,
        },
        b"\x0a\x01k\x10\x01\x18\x02\x20\x03\x2a\x01v\x30\x04",
    );
    check(
        &etcd::StatusResponse {
            version: "3".into(),
            db_size_quota: 1,
            downgrade_info: Some(etcd::DowngradeInfo {
                enabled: true,
                target_version: String::new(),
            }),
            ..Default::default()
        },
        b"\x12\x013\x60\x01\x6a\x02\x08\x01",
    );
}

#[test]
fn repeated_scalars_are_accepted_unpacked() {
    let unpacked = b"\x28\x00\x28\x01";
    assert_eq!(
        etcd::WatchCreateRequest::decode(&unpacked[..]).unwrap().filters,
        [0, 1]
    );
}
