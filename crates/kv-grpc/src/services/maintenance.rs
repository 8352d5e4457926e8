use futures_util::stream::{self, Stream};
use kv_proto::etcdserverpb as etcd;
use kv_proto::etcdserverpb::alarm_request::AlarmAction;
use kv_proto::etcdserverpb::downgrade_request::DowngradeAction;
use kv_server::{Alarm, AlarmKind, ETCD_CLUSTER_VERSION, Server};
use kv_types::{MemberId, Revision};
use tonic::Status;

use crate::convert;
use crate::error::{Refusal, status};

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
        downgrade_info: Some(etcd::DowngradeInfo {
            enabled: status.downgrade.is_some(),
            target_version: status.downgrade.unwrap_or_default(),
        }),
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

pub(crate) async fn hash(server: Server, _: etcd::HashRequest) -> Result<etcd::HashResponse, Status> {
    let (hash, revision) = server.hash().await.map_err(status)?;
    Ok(etcd::HashResponse {
        header: Some(convert::header(server.header_at(revision))),
        hash,
    })
}

/// Lists, raises or disarms alarms; an action or alarm that is not known does nothing.
pub(crate) async fn alarm(
    server: Server,
    request: etcd::AlarmRequest,
) -> Result<etcd::AlarmResponse, Status> {
    if request.action == i32::from(AlarmAction::Get) {
        server.require_user().await.map_err(status)?;
    } else {
        server.require_root().await.map_err(status)?;
    }
    let kind = u64::try_from(request.alarm).ok().and_then(AlarmKind::from_wire);
    let member = MemberId::new(request.member_id);
    let named = kind.map(|kind| Alarm { kind, member });
    let alarms = match (AlarmAction::try_from(request.action), named) {
        (Ok(AlarmAction::Get), _) if kind.is_none() && request.alarm != 0 => Vec::new(),
        (Ok(AlarmAction::Get), _) => server.alarms(kind).await.map_err(status)?,
        (Ok(AlarmAction::Activate), Some(alarm)) => {
            server.raise_alarm(alarm).await.map_err(status)?;
            vec![alarm]
        }
        (Ok(AlarmAction::Deactivate), Some(alarm)) => {
            let was_raised = server.disarm_alarm(alarm).await.map_err(status)?;
            if was_raised { vec![alarm] } else { Vec::new() }
        }
        _ => Vec::new(),
    };
    let alarms = alarms.into_iter().map(|alarm| etcd::AlarmMember {
        member_id: alarm.member.get(),
        alarm: match alarm.kind {
            AlarmKind::NoSpace => etcd::AlarmType::Nospace,
            AlarmKind::Corrupt => etcd::AlarmType::Corrupt,
        }
        .into(),
    });
    Ok(etcd::AlarmResponse {
        header: Some(convert::header(server.header())),
        alarms: alarms.collect(),
    })
}

pub(crate) async fn downgrade(
    server: Server,
    request: etcd::DowngradeRequest,
) -> Result<etcd::DowngradeResponse, Status> {
    let action = DowngradeAction::try_from(request.action)
        .map_err(|_| Status::unknown("etcdserver: unknown method"))?;
    match action {
        DowngradeAction::Validate => {
            let target = parse_version(&request.version)?;
            server.validate_downgrade(target).await.map_err(status)?;
        }
        DowngradeAction::Enable => {
            let target = parse_version(&request.version)?;
            server.enable_downgrade(target).await.map_err(status)?;
        }
        DowngradeAction::Cancel => server.cancel_downgrade().await.map_err(status)?,
    }
    let (version, _) = ETCD_CLUSTER_VERSION.rsplit_once('.').unwrap_or_default();
    Ok(etcd::DowngradeResponse {
        header: Some(convert::header(server.header())),
        version: version.to_owned(),
    })
}

/// Major and minor number of `x.y` or `x.y.z`.
fn parse_version(text: &str) -> Result<(u64, u64), Refusal> {
    let numbers: Option<Vec<u64>> = text.split('.').map(|number| number.parse().ok()).collect();
    match numbers.as_deref() {
        Some([major, minor] | [major, minor, _]) => Ok((*major, *minor)),
        _ => Err(Refusal::DowngradeFormat),
    }
}

/// The whole state as an etcd snapshot.
pub(crate) async fn snapshot(
    server: Server,
    _: etcd::SnapshotRequest,
) -> Result<impl Stream<Item = Result<etcd::SnapshotResponse, Status>>, Status> {
    let image = server.snapshot().await.map_err(status)?;
    Ok(stream::try_unfold(image, |mut image| async move {
        let Some(chunk) = image.next().await.map_err(status)? else {
            return Ok(None);
        };
        let response = etcd::SnapshotResponse {
            header: None,
            remaining_bytes: chunk.remaining,
            blob: chunk.bytes,
            version: image.version().to_owned(),
        };
        Ok(Some((response, image)))
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_have_two_or_three_numbers() {
        assert_eq!(parse_version("3.5"), Ok((3, 5)));
        assert_eq!(parse_version("3.5.9"), Ok((3, 5)));
        for text in ["", "3", "3.x", "3.5.1.0", "v3.5", "3.5.", "-3.5"] {
            assert_eq!(parse_version(text), Err(Refusal::DowngradeFormat), "{text}");
        }
    }
}
