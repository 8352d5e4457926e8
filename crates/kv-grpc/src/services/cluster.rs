use std::time::{SystemTime, UNIX_EPOCH};

use kv_config::{added_member_id, checked_peer_urls};
use kv_proto::etcdserverpb as etcd;
use kv_server::{Member, MemberChange, Server};
use kv_types::{MemberId, Revision};
use tonic::Status;

use crate::convert;
use crate::error::{Refusal, status};

pub(crate) async fn member_list(
    server: Server,
    request: etcd::MemberListRequest,
) -> Result<etcd::MemberListResponse, Status> {
    let members = server.member_list(request.linearizable).await.map_err(status)?;
    Ok(etcd::MemberListResponse {
        header: header(&server),
        members: convert_members(members),
    })
}

pub(crate) async fn member_add(
    server: Server,
    request: etcd::MemberAddRequest,
) -> Result<etcd::MemberAddResponse, Status> {
    let peer_urls = checked_peer_urls(&request.peer_ur_ls).ok_or(Refusal::BadMemberUrls)?;
    // The time makes the ID: one that was removed may come again under the same URLs, and is another one then.
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let id = added_member_id(&peer_urls, now.as_secs());
    let change = MemberChange::Add {
        id,
        peer_urls: peer_urls.clone(),
        learner: request.is_learner,
    };
    let members = server.change_members(change).await.map_err(status)?;
    Ok(etcd::MemberAddResponse {
        header: header(&server),
        member: Some(etcd::Member {
            id: id.get(),
            peer_ur_ls: peer_urls,
            is_learner: request.is_learner,
            ..etcd::Member::default()
        }),
        members: convert_members(members),
    })
}

pub(crate) async fn member_remove(
    server: Server,
    request: etcd::MemberRemoveRequest,
) -> Result<etcd::MemberRemoveResponse, Status> {
    let change = MemberChange::Remove(MemberId::new(request.id));
    let members = server.change_members(change).await.map_err(status)?;
    Ok(etcd::MemberRemoveResponse {
        header: header(&server),
        members: convert_members(members),
    })
}

pub(crate) async fn member_update(
    server: Server,
    request: etcd::MemberUpdateRequest,
) -> Result<etcd::MemberUpdateResponse, Status> {
    // etcd takes anything here, and its members panic at it.
    let peer_urls = checked_peer_urls(&request.peer_ur_ls).ok_or(Refusal::BadMemberUrls)?;
    let change = MemberChange::Update {
        id: MemberId::new(request.id),
        peer_urls,
    };
    let members = server.change_members(change).await.map_err(status)?;
    Ok(etcd::MemberUpdateResponse {
        header: header(&server),
        members: convert_members(members),
    })
}

pub(crate) async fn member_promote(
    server: Server,
    request: etcd::MemberPromoteRequest,
) -> Result<etcd::MemberPromoteResponse, Status> {
    let change = MemberChange::Promote(MemberId::new(request.id));
    let members = server.change_members(change).await.map_err(status)?;
    Ok(etcd::MemberPromoteResponse {
        header: header(&server),
        members: convert_members(members),
    })
}

/// A call of the maintenance service; its answer has no header.
pub(crate) async fn move_leader(
    server: Server,
    request: etcd::MoveLeaderRequest,
) -> Result<etcd::MoveLeaderResponse, Status> {
    let to = MemberId::new(request.target_id);
    server.move_leader(to).await.map_err(status)?;
    Ok(etcd::MoveLeaderResponse { header: None })
}

/// Answers about membership carry no revision.
fn header(server: &Server) -> Option<etcd::ResponseHeader> {
    Some(convert::header(server.header_at(Revision::ZERO)))
}

fn convert_members(members: Vec<Member>) -> Vec<etcd::Member> {
    let convert = |member: Member| etcd::Member {
        id: member.id.get(),
        name: member.name,
        peer_ur_ls: member.peer_urls,
        client_ur_ls: member.client_urls,
        is_learner: member.learner,
    };
    members.into_iter().map(convert).collect()
}
