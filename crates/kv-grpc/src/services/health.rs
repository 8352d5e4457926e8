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

/// Says the status, and that it changes when the member stops, which is the end.
pub(crate) async fn watch(server: Server, request: HealthCheckRequest) -> Result<HealthStream, Status> {
    let found = find(&request);
    let now = found.unwrap_or(ServingStatus::ServiceUnknown);
    let then = found.map_or(now, |_| ServingStatus::NotServing);
    let stopping = server.stopping();
    let later = async move {
        stopping.await;
        then
    };
    let statuses = stream::iter([now]).chain(stream::once(later));
    let answers = statuses.map(|status| {
        Ok(HealthCheckResponse {
            status: status.into(),
        })
    });
    Ok(answers.boxed())
}
