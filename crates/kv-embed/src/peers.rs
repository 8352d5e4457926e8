use axum::Router;
use axum::extract::State;
use axum::http::header::{CONTENT_TYPE, HeaderName};
use axum::response::IntoResponse;
use axum::routing::get;
use kv_peer::PeerOptions;
use kv_raft::RaftService;
use kv_server::{ETCD_CLUSTER_VERSION, ETCD_VERSION, Server};
use serde::Serialize;
use tonic::service::Routes;

/// What is served on the peer URLs: Raft's messages, and the two pages that tools ask members for.
pub(crate) fn router(options: &PeerOptions, raft: RaftService) -> Router {
    Routes::new(kv_peer::service(options, raft))
        .prepare()
        .into_axum_router()
}

/// The pages need the server, which starts after Raft does.
pub(crate) fn pages(server: Server) -> Router {
    Router::new()
        .route("/members", get(members))
        .route("/version", get(version))
        .with_state(server)
}

/// A member as etcd prints it here.
#[derive(Serialize)]
struct MemberPage {
    id: u64,
    #[serde(rename = "peerURLs")]
    peer_urls: Vec<String>,
    #[serde(rename = "isLearner", skip_serializing_if = "std::ops::Not::not")]
    learner: bool,
    #[serde(skip_serializing_if = "String::is_empty")]
    name: String,
    #[serde(rename = "clientURLs", skip_serializing_if = "Vec::is_empty")]
    client_urls: Vec<String>,
}

async fn members(State(server): State<Server>) -> impl IntoResponse {
    let members = server.local_members().into_iter().map(|member| MemberPage {
        id: member.id.get(),
        peer_urls: member.peer_urls,
        learner: member.learner,
        name: member.name,
        client_urls: member.client_urls,
    });
    let cluster = (
        HeaderName::from_static("x-etcd-cluster-id"),
        server.header().cluster_id.to_string(),
    );
    ([cluster], axum::Json(members.collect::<Vec<_>>()))
}

async fn version() -> impl IntoResponse {
    let page = serde_json::json!({
        "etcdserver": ETCD_VERSION,
        "etcdcluster": ETCD_CLUSTER_VERSION,
        "storage": ETCD_CLUSTER_VERSION,
    });
    ([(CONTENT_TYPE, "application/json")], page.to_string())
}
