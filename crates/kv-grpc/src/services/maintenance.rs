use kv_proto::etcdserverpb as etcd;
use kv_server::Server;
use kv_types::Revision;
use tonic::Status;

use crate::convert;
use crate::error::status;

pub(crate) async fn member_status(
    server: Server,
    _: etcd::StatusRequest,
) -> Result<etcd::StatusResponse, Status> {
    let header = convert::header(server.header());
    let status = server.status();
    Ok(etcd::StatusResponse {
        header: Some(header),
        version: status.version,
        db_size: bytes(status.db_size),
        leader: status.leader.map_or(0, |leader| leader.get()),
        raft_index: status.raft_index.get(),
        raft_term: status.raft_term.get(),
        raft_applied_index: status.raft_applied_index.get(),
        errors: status.errors,
        db_size_in_use: bytes(status.db_size_in_use),
        is_learner: status.learner,
        storage_version: status.storage_version,
        db_size_quota: status.db_size_quota,
        downgrade_info: Some(etcd::DowngradeInfo::default()),
    })
}

fn bytes(bytes: u64) -> i64 {
    i64::try_from(bytes).unwrap_or(i64::MAX)
}

pub(crate) async fn hash_kv(
    server: Server,
    request: etcd::HashKvRequest,
) -> Result<etcd::HashKvResponse, Status> {
    let revision = (request.revision != 0).then_some(Revision::new(request.revision));
    let hash = server.hash_kv(revision).await.map_err(status)?;
    Ok(etcd::HashKvResponse {
        header: Some(convert::header(server.header_at(hash.revision))),
        hash: hash.hash,
        compact_revision: hash.compact_revision.get(),
        hash_revision: hash.hash_revision.get(),
    })
}

/// Lists alarms. There is nothing yet that raises one, so the list is empty; raising and clearing are refused.
pub(crate) async fn alarm(
    server: Server,
    request: etcd::AlarmRequest,
) -> Result<etcd::AlarmResponse, Status> {
    if request.action == etcd::alarm_request::AlarmAction::Get as i32 {
        server.require_user().await.map_err(status)?;
    } else {
        server.require_root().await.map_err(status)?;
        return Err(Status::unimplemented("alarms can be listed only"));
    }
    server.read_barrier().await.map_err(status)?;
    Ok(etcd::AlarmResponse {
        header: Some(convert::header(server.header())),
        alarms: Vec::new(),
    })
}
