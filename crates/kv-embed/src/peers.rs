use axum::Router;
use axum::extract::State;
use axum::http::header::{CONTENT_TYPE, HeaderName};
use axum::response::IntoResponse;
use axum::routing::get;
use kv_peer::PeerOptions;
use kv_raft::RaftService;
use kv_server::{ETCD_CLUSTER_VERSION, ETCD_VERSION, Server};
use kv_types::MemberId;
use serde::{Deserialize, Serialize};
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

/// The header with the cluster's ID, in hexadecimal.
pub(crate) const CLUSTER_ID: &str = "x-etcd-cluster-id";

/// The header with the IDs of those that were removed, in hexadecimal.
pub(crate) const REMOVED: &str = "x-cluster-removed";

/// The header by which a joining member knows that it speaks the language of those it asks.
pub(crate) const PROGRAM: &str = "x-cluster-program";

/// A member as etcd prints it here.
#[derive(Debug, Default, Deserialize, Serialize)]
#[serde(default)]
pub(crate) struct MemberPage {
    pub(crate) id: u64,
    #[serde(rename = "peerURLs")]
    pub(crate) peer_urls: Vec<String>,
    #[serde(rename = "isLearner", skip_serializing_if = "std::ops::Not::not")]
    pub(crate) learner: bool,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(crate) name: String,
    #[serde(rename = "clientURLs", skip_serializing_if = "Vec::is_empty")]
    pub(crate) client_urls: Vec<String>,
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
        HeaderName::from_static(CLUSTER_ID),
        server.header().cluster_id.to_string(),
    );
    let program = (HeaderName::from_static(PROGRAM), "kvd".to_owned());
    let removed: Vec<String> = server.removed_members().iter().map(MemberId::to_string).collect();
    let removed = (HeaderName::from_static(REMOVED), removed.join(","));
    (
        [cluster, program, removed],
        axum::Json(members.collect::<Vec<_>>()),
    )
}

async fn version() -> impl IntoResponse {
    let page = serde_json::json!({
        "etcdserver": ETCD_VERSION,
        "etcdcluster": ETCD_CLUSTER_VERSION,
        "storage": ETCD_CLUSTER_VERSION,
    });
    ([(CONTENT_TYPE, "application/json")], page.to_string())
}
