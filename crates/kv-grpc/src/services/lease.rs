use std::pin::Pin;

use futures_util::stream::{self, Stream, StreamExt};
use kv_proto::etcdserverpb as etcd;
use kv_server::{RequestError, Server};
use kv_types::LeaseId;
use tonic::{Status, Streaming};

use crate::convert;
use crate::error::{STOPPED, status};
use crate::oversize;

pub(crate) async fn grant(
    server: Server,
    request: etcd::LeaseGrantRequest,
) -> Result<etcd::LeaseGrantResponse, Status> {
    let granted = server
        .lease_grant(LeaseId::from_wire(request.id), request.ttl)
        .await
        .map_err(status)?;
    Ok(etcd::LeaseGrantResponse {
        header: Some(convert::header(server.header())),
        id: granted.id.get(),
        ttl: granted.ttl_seconds,
        error: String::new(),
    })
}

pub(crate) async fn revoke(
    server: Server,
    request: etcd::LeaseRevokeRequest,
) -> Result<etcd::LeaseRevokeResponse, Status> {
    let id = LeaseId::from_wire(request.id).ok_or(status(RequestError::LeaseNotFound))?;
    server.lease_revoke(id).await.map_err(status)?;
    Ok(etcd::LeaseRevokeResponse {
        header: Some(convert::header(server.header())),
    })
}

pub(crate) async fn time_to_live(
    server: Server,
    request: etcd::LeaseTimeToLiveRequest,
) -> Result<etcd::LeaseTimeToLiveResponse, Status> {
    let found = match LeaseId::from_wire(request.id) {
        Some(id) => server
            .lease_time_to_live(id, request.keys)
            .await
            .map_err(status)?,
        None => None,
    };
    let (ttl, granted_ttl, keys) = found.map_or((-1, 0, Vec::new()), |lease| {
        (lease.ttl_seconds, lease.granted_ttl_seconds, lease.keys)
    });
    Ok(etcd::LeaseTimeToLiveResponse {
        header: Some(convert::header(server.header())),
        id: request.id,
        ttl,
        granted_ttl,
        keys,
    })
}

pub(crate) async fn leases(
    server: Server,
    _: etcd::LeaseLeasesRequest,
) -> Result<etcd::LeaseLeasesResponse, Status> {
    let leases = server
        .leases()
        .await
        .map_err(status)?
        .into_iter()
        .map(|id| etcd::LeaseStatus { id: id.get() })
        .collect();
    Ok(etcd::LeaseLeasesResponse {
        header: Some(convert::header(server.header())),
        leases,
    })
}

pub(crate) type KeepAliveStream =
    Pin<Box<dyn Stream<Item = Result<etcd::LeaseKeepAliveResponse, Status>> + Send>>;

/// Answers in the order of the requests; ends well when the client has no more of them, and with an error when the
/// member stops.
pub(crate) async fn keep_alive(
    server: Server,
    requests: Streaming<etcd::LeaseKeepAliveRequest>,
) -> Result<KeepAliveStream, Status> {
    let answers = stream::try_unfold(requests, move |mut requests| {
        let server = server.clone();
        async move {
            let request = tokio::select! {
                request = requests.message() => request.map_err(oversize::correct)?,
                () = server.stopping() => return Err(Status::unavailable(STOPPED)),
            };
            let Some(request) = request else {
                return Ok(None);
            };
            // As in etcd the header is older than the renewal.
            let header = convert::header(server.header());
            let ttl = match LeaseId::from_wire(request.id) {
                Some(id) => server.lease_keep_alive(id).await.map_err(status)?,
                None => 0,
            };
            let answer = etcd::LeaseKeepAliveResponse {
                header: Some(header),
                id: request.id,
                ttl,
            };
            Ok(Some((answer, requests)))
        }
    });
    Ok(answers.boxed())
}
