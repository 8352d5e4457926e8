use std::convert::Infallible;
use std::task::{Context, Poll};

use http::header::CONTENT_TYPE;
use http::{Request, Response};
use http_body_util::Full;
use kv_grpc::{Answer, Grpc, RequestBody};
use kv_server::Server;
use tower::Service;

use crate::pages::Pages;

/// What a member serves on a client port: gRPC to those who speak it, pages to all others. Clones share
/// everything; each connection takes one.
#[derive(Clone)]
pub struct Edge {
    grpc: Option<Grpc>,
    pages: Pages,
}

impl Edge {
    /// Serves this member.
    pub fn new(server: Server) -> Self {
        let grpc = Grpc::new(server.clone());
        let pages = Pages::new(server, grpc.calls().clone());
        Self {
            grpc: Some(grpc),
            pages,
        }
    }

    /// A clone for one more connection: what its client may take is counted apart from all others.
    #[must_use]
    pub fn for_connection(&self) -> Self {
        Self {
            grpc: self.grpc.as_ref().map(Grpc::for_connection),
            pages: self.pages.clone(),
        }
    }

    /// What is served on a port for metrics: health and metrics, with the numbers of this edge, and nothing else.
    pub fn metrics_only(&self) -> Self {
        Self {
            grpc: None,
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
        if let Some(grpc) = &mut self.grpc
            && is_grpc(&request)
        {
            return grpc.call(request);
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
