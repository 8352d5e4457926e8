use kv_proto::etcdserverpb as etcd;
use kv_server::Server;
use kv_types::Revision;
use tonic::Status;

use crate::convert;
use crate::error::status;

pub(crate) async fn member_list(
    server: Server,
    request: etcd::MemberListRequest,
) -> Result<etcd::MemberListResponse, Status> {
    let members = server.member_list(request.linearizable).await.map_err(status)?;
    let members = members.into_iter().map(|member| etcd::Member {
        id: member.id.get(),
        name: member.name,
        peer_ur_ls: member.peer_urls,
        client_ur_ls: member.client_urls,
        is_learner: member.learner,
    });
    Ok(etcd::MemberListResponse {
        // Answers about membership carry no revision.
        header: Some(convert::header(server.header_at(Revision::ZERO))),
        members: members.collect(),
    })
}
