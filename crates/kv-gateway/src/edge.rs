use std::convert::Infallible;
use std::task::{Context, Poll};

use http::header::CONTENT_TYPE;
use http::{Request, Response};
use http_body_util::Full;
use kv_grpc::{Answer, Grpc, RequestBody};
use kv_server::Server;
use tower::Service;

use crate::json;
use crate::pages::{Pages, allow_browsers};

/// What a member serves on a client port: gRPC to those who speak it, pages to all others. Clones share
/// everything; each connection takes one.
#[derive(Clone)]
pub struct Edge {
    grpc: Option<Grpc>,
    /// Bytes of one message in JSON.
    json_bytes_max: usize,
    pages: Pages,
}

impl Edge {
    /// Serves this member.
    pub fn new(server: Server) -> Self {
        // In JSON bytes take four thirds of their length, and names take some more.
        let json_bytes_max = server.limits().message_bytes_max() * 2;
        let grpc = Grpc::new(server.clone());
        let pages = Pages::new(server, grpc.calls().clone());
        Self {
            grpc: Some(grpc),
            json_bytes_max,
            pages,
        }
    }

    /// A clone for one more connection: what its client may take is counted apart from all others.
    #[must_use]
    pub fn for_connection(&self) -> Self {
        Self {
            grpc: self.grpc.as_ref().map(Grpc::for_connection),
            json_bytes_max: self.json_bytes_max,
            pages: self.pages.clone(),
        }
    }

    /// What is served on a port for metrics: health and metrics, with the numbers of this edge, and nothing else.
    pub fn metrics_only(&self) -> Self {
        Self {
            grpc: None,
            json_bytes_max: self.json_bytes_max,
            pages: self.pages.metrics_only(),
        }
    }
}

impl<B: RequestBody> Service<Request<B>> for Edge {
    type Response = Response<tonic::body::Body>;
    type Error = Infallible;
    type Future = Answer;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Answer {
        if let Some(grpc) = &mut self.grpc {
            if is_grpc(&request) {
                return grpc.call(request);
            }
            if json::is_json_path(request.uri().path()) && request.method() != http::Method::OPTIONS {
                let (grpc, json_bytes_max) = (grpc.clone(), self.json_bytes_max);
                return Box::pin(async move {
                    let mut answer = json::answer(grpc, request, json_bytes_max).await;
                    allow_browsers(answer.headers_mut());
                    Ok(answer)
                });
            }
        }
        let pages = self.pages.clone();
        Box::pin(async move {
            let (head, _) = request.into_parts();
            let page = pages.answer(head.method, head.uri).await;
            Ok(page.map(|body| tonic::body::Body::new(Full::new(body))))
        })
    }
}

fn is_grpc<B>(request: &Request<B>) -> bool {
    let content_type = request.headers().get(CONTENT_TYPE);
    content_type.is_some_and(|value| value.as_bytes().starts_with(b"application/grpc"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn grpc_is_told_by_its_content_type() {
        let request = |value: &str| Request::builder().header(CONTENT_TYPE, value).body(()).unwrap();
        assert!(is_grpc(&request("application/grpc")));
        assert!(is_grpc(&request("application/grpc+proto")));
        assert!(!is_grpc(&request("application/json")));
        assert!(!is_grpc(&Request::new(())));
    }
}
