use std::pin::Pin;

use futures_util::stream::{self, Stream, StreamExt};
use kv_proto::grpc::health::v1::health_check_response::ServingStatus;
use kv_proto::grpc::health::v1::{HealthCheckRequest, HealthCheckResponse};
use kv_server::Server;
use tonic::Status;

/// The server as a whole is the one service there is; it serves for as long as it can answer at all.
fn find(request: &HealthCheckRequest) -> Option<ServingStatus> {
    request.service.is_empty().then_some(ServingStatus::Serving)
}

pub(crate) async fn check(_: Server, request: HealthCheckRequest) -> Result<HealthCheckResponse, Status> {
    let found = find(&request).ok_or_else(|| Status::not_found("unknown service"))?;
    Ok(HealthCheckResponse { status: found.into() })
}

pub(crate) type HealthStream = Pin<Box<dyn Stream<Item = Result<HealthCheckResponse, Status>> + Send>>;

/// Says the status, and then waits for a change, which does not come.
pub(crate) async fn watch(_: Server, request: HealthCheckRequest) -> Result<HealthStream, Status> {
    let status = find(&request).unwrap_or(ServingStatus::ServiceUnknown);
    let now = HealthCheckResponse {
        status: status.into(),
    };
    Ok(stream::iter([Ok(now)]).chain(stream::pending()).boxed())
}
