use std::convert::Infallible;
use std::pin::Pin;

use bytes::{Buf, Bytes, BytesMut};
use futures_util::stream::{self, Stream, StreamExt};
use http::header::{AUTHORIZATION, CONTENT_TYPE, HeaderName, HeaderValue};
use http::{HeaderMap, Method as Verb, Request, Response};
use http_body::Frame;
use http_body_util::{BodyExt, Full, StreamBody};
use kv_grpc::{Grpc, Kind, Method, RequestBody};
use tonic::body::Body;
use tonic::{Code, Status};
use tower::Service;

use super::failure;
use super::routes;
use super::transcode::{PREFIX_BYTES, Shapes};
use super::upload::Upload;
use crate::page::{JSON, Page, page};

/// What the answers of calls that were made have in etcd.
const MADE_CALL: HeaderName = HeaderName::from_static("grpc-metadata-content-type");
const GRPC: HeaderValue = HeaderValue::from_static("application/grpc");
/// Marks calls that come through a gateway.
const GATEWAY: HeaderName = HeaderName::from_static("grpcgateway-accept");
/// Headers that begin so become metadata.
const METADATA_PREFIX: &str = "grpc-metadata-";

type Frames = Pin<Box<dyn Stream<Item = Result<Frame<Bytes>, Status>> + Send>>;

/// Answers one request. `value_bytes_max` bounds the JSON of one message.
pub(crate) async fn answer<B: RequestBody>(
    grpc: Grpc,
    request: Request<B>,
    value_bytes_max: usize,
) -> Response<Body> {
    let (head, body) = request.into_parts();
    let Some(method) = routes::find(head.uri.path()) else {
        return whole(failure::answer(&Status::not_found("Not Found")));
    };
    if head.method != Verb::POST {
        return whole(failure::answer(&Status::unimplemented("Method Not Allowed")));
    }
    let call = Call {
        grpc,
        method,
        headers: head.headers,
    };
    let upload = Upload::new(body, value_bytes_max);
    let answered = match method.kind() {
        Kind::Unary => call.unary(upload).await.map(whole),
        Kind::ServerStream | Kind::BidiStream => return call.stream(upload).await,
    };
    answered.unwrap_or_else(|status| whole(failure::answer(&status)))
}

struct Call {
    grpc: Grpc,
    method: Method,
    headers: HeaderMap,
}

impl Call {
    async fn unary<B: RequestBody>(self, upload: Upload<B>) -> Result<Page, Status> {
        let shapes = Shapes::of(self.method)?;
        let frames = one(&shapes, upload).await?;
        let mut messages = self.send(frames).await?;
        let message = messages.next().await?;
        let message = message.ok_or_else(|| Status::internal("an answer without a message"))?;
        let mut page = page(JSON, shapes.write(message)?);
        page.headers_mut().insert(MADE_CALL, GRPC);
        Ok(page)
    }

    /// A stream begins with its first answer: before that, a failure still has a status of its own.
    async fn stream<B: RequestBody>(self, upload: Upload<B>) -> Response<Body> {
        match self.begin_stream(upload).await {
            Ok(response) => response,
            Err(status) => whole(failure::stream_answer(&status)),
        }
    }

    async fn begin_stream<B: RequestBody>(self, upload: Upload<B>) -> Result<Response<Body>, Status> {
        let shapes = Shapes::of(self.method)?;
        let frames = match self.method.kind() {
            Kind::BidiStream => many(shapes.clone(), upload),
            Kind::Unary | Kind::ServerStream => one(&shapes, upload).await?,
        };
        let mut messages = self.send(frames).await?;
        let first = messages.next().await?;
        let lines = stream::iter(first.map(|message| line(&shapes, message)));
        let rest = stream::unfold(Some((messages, shapes)), |state| async {
            let (mut messages, shapes) = state?;
            match messages.next().await {
                Ok(message) => Some((line(&shapes, message?), Some((messages, shapes)))),
                Err(status) => Some((failure::line(&status).into(), None)),
            }
        });
        let frames = lines
            .chain(rest)
            .map(|line| Ok::<_, Infallible>(Frame::data(line)));
        let mut response = Response::new(Body::new(StreamBody::new(frames)));
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, JSON);
        headers.insert(MADE_CALL, GRPC);
        Ok(response)
    }

    /// Makes the call. What of the headers is for the service goes with it.
    async fn send(mut self, frames: Frames) -> Result<Messages, Status> {
        let path = format!("/{}/{}", self.method.service(), self.method.name());
        let mut request = Request::new(StreamBody::new(frames));
        *request.method_mut() = Verb::POST;
        *request.uri_mut() = path
            .parse()
            .map_err(|_| Status::internal("a method without a path"))?;
        let metadata = request.headers_mut();
        metadata.insert(CONTENT_TYPE, GRPC);
        metadata.insert(GATEWAY, HeaderValue::from_static("application/json"));
        for (name, value) in &self.headers {
            let named = name.as_str().strip_prefix(METADATA_PREFIX);
            let named = named.and_then(|name| HeaderName::from_bytes(name.as_bytes()).ok());
            // The frame is the gateway's own.
            if let Some(named) = named.filter(|named| *named != CONTENT_TYPE) {
                metadata.append(named, value.clone());
            }
        }
        if let Some(authorization) = self.headers.get(AUTHORIZATION) {
            metadata.insert(AUTHORIZATION, authorization.clone());
        }
        let (head, body) = match self.grpc.call(request).await {
            Ok(response) => response.into_parts(),
            Err(never) => match never {},
        };
        match Status::from_header_map(&head.headers) {
            Some(status) if status.code() != Code::Ok => Err(status),
            _ => Ok(Messages {
                body,
                buffer: BytesMut::new(),
            }),
        }
    }
}

/// The only request, which may be left out.
async fn one<B: RequestBody>(shapes: &Shapes, mut upload: Upload<B>) -> Result<Frames, Status> {
    let message = match upload.next().await? {
        Some(json) => shapes.read(&json)?,
        None => shapes.empty(),
    };
    Ok(stream::iter([Ok(Frame::data(message))]).boxed())
}

/// Requests as they come.
fn many<B: RequestBody>(shapes: Shapes, upload: Upload<B>) -> Frames {
    let frames = stream::try_unfold((shapes, upload), |(shapes, mut upload)| async {
        let Some(json) = upload.next().await? else {
            return Ok(None);
        };
        Ok(Some((Frame::data(shapes.read(&json)?), (shapes, upload))))
    });
    frames.boxed()
}

fn line(shapes: &Shapes, message: Bytes) -> Bytes {
    match shapes.write(message) {
        Ok(json) => [b"{\"result\":", &json[..], b"}\n"].concat().into(),
        Err(status) => failure::line(&status).into(),
    }
}

fn whole(page: Page) -> Response<Body> {
    page.map(|body| Body::new(Full::new(body)))
}

/// The messages of a gRPC body.
struct Messages {
    body: Body,
    buffer: BytesMut,
}

impl Messages {
    /// The next message; `None` at a good end.
    async fn next(&mut self) -> Result<Option<Bytes>, Status> {
        loop {
            if let Some(message) = self.take() {
                return Ok(Some(message));
            }
            let Some(frame) = self.body.frame().await else {
                return Ok(None);
            };
            match frame?.into_data() {
                Ok(data) => self.buffer.extend_from_slice(&data),
                Err(frame) => {
                    let status = frame.trailers_ref().and_then(Status::from_header_map);
                    return match status {
                        Some(status) if status.code() != Code::Ok => Err(status),
                        _ => Ok(None),
                    };
                }
            }
        }
    }

    fn take(&mut self) -> Option<Bytes> {
        let length = self.buffer.get(1..PREFIX_BYTES)?.try_into().ok()?;
        let length = usize::try_from(u32::from_be_bytes(length)).ok()?;
        if self.buffer.len() < PREFIX_BYTES + length {
            return None;
        }
        self.buffer.advance(PREFIX_BYTES);
        Some(self.buffer.split_to(length).freeze())
    }
}
