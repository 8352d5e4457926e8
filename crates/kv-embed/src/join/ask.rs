use std::time::Duration;

use http::Request;
use http_body_util::{BodyExt, Empty, Limited};
use hyper::body::Bytes;
use hyper_util::rt::TokioIo;
use kv_config::Url;
use kv_types::{ClusterId, MemberId};
use tokio::net::TcpStream;

use super::Cluster;
use crate::peers::{CLUSTER_ID, PROGRAM, REMOVED};

/// A list of members has some hundred bytes for each.
const ANSWER_BYTES_MAX: usize = 1 << 20;

/// Asks a member for the cluster it is in; what went wrong, in words.
pub(super) async fn cluster(url: &Url, timeout: Duration) -> Result<Cluster, String> {
    tokio::time::timeout(timeout, ask(url))
        .await
        .unwrap_or_else(|_| Err("no answer in time".into()))
}

async fn ask(url: &Url) -> Result<Cluster, String> {
    let text = |error: &dyn std::fmt::Display| error.to_string();
    let stream = TcpStream::connect((url.host(), url.port()))
        .await
        .map_err(|error| text(&error))?;
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
        .await
        .map_err(|error| text(&error))?;
    // It ends with the sender, and its errors are the request's.
    let connection = tokio::spawn(connection);
    let request = Request::get("/members")
        .header(http::header::HOST, url.as_str().trim_start_matches("http://"))
        .body(Empty::<Bytes>::new())
        .map_err(|error| text(&error))?;
    let response = sender.send_request(request).await.map_err(|error| text(&error))?;
    if !response.status().is_success() {
        return Err(format!("it answers {}", response.status()));
    }
    let header = |name| response.headers().get(name).and_then(|value| value.to_str().ok());
    let id = header(CLUSTER_ID).and_then(|id| u64::from_str_radix(id, 16).ok());
    let id = id.map(ClusterId::new).ok_or("it does not name its cluster")?;
    let removed = header(REMOVED).unwrap_or_default().split(',');
    let removed = removed.filter_map(|id| u64::from_str_radix(id, 16).ok());
    let removed = removed.map(MemberId::new).collect();
    let is_kvd = header(PROGRAM) == Some("kvd");
    let body = Limited::new(response.into_body(), ANSWER_BYTES_MAX)
        .collect()
        .await
        .map_err(|error| text(&error))?
        .to_bytes();
    connection.abort();
    let mut members: Vec<crate::peers::MemberPage> =
        serde_json::from_slice(&body).map_err(|error| text(&error))?;
    members.sort_by_key(|member| member.id);
    Ok(Cluster {
        id,
        members,
        removed,
        url: url.to_string(),
        is_kvd,
    })
}
