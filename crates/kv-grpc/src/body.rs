//! Bodies that count what passes, and end early when they must.

use std::error::Error;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::{HeaderMap, HeaderName};
use http_body::{Body, Frame, SizeHint};
use tonic::{Code, Status};

use crate::calls::{Call, Calls};
use crate::load::{Answered, RequestBytes};

/// A request body; counts its bytes, and ends with an error if they are more than the member has memory for.
pub(crate) struct Received<B> {
    inner: B,
    calls: Arc<Calls>,
    kept: RequestBytes,
}

impl<B> Received<B> {
    pub(crate) fn new(inner: B, calls: Arc<Calls>, kept: RequestBytes) -> Self {
        Self { inner, calls, kept }
    }
}

impl<B> Body for Received<B>
where
    B: Body<Data = Bytes, Error: Into<Box<dyn Error + Send + Sync>>> + Unpin,
{
    type Data = Bytes;
    type Error = Box<dyn Error + Send + Sync>;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        let this = &mut *self;
        let polled = Pin::new(&mut this.inner).poll_frame(cx);
        if let Poll::Ready(Some(Ok(frame))) = &polled
            && let Some(data) = frame.data_ref()
        {
            this.calls.received(data.len());
            if let Err(status) = this.kept.receive(data) {
                return Poll::Ready(Some(Err(status.into())));
            }
        }
        polled.map_err(Into::into)
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

/// Resolves when a stream must end, with the status it ends with.
pub(crate) type Ending = Pin<Box<dyn Future<Output = Status> + Send>>;

/// A response body; counts its bytes and its outcome, and ends with a status of its own if `ending` says so.
pub(crate) struct Sent {
    inner: tonic::body::Body,
    call: Call,
    answered: Answered,
    ending: Option<Ending>,
    ended: bool,
}

impl Sent {
    pub(crate) fn new(
        inner: tonic::body::Body,
        call: Call,
        answered: Answered,
        ending: Option<Ending>,
    ) -> Self {
        Self {
            inner,
            call,
            answered,
            ending,
            ended: false,
        }
    }

    fn end_with(&mut self, status: &Status) -> Option<Result<Frame<Bytes>, Status>> {
        self.ended = true;
        self.inner = tonic::body::Body::empty();
        self.call.ended(status.code());
        let mut trailers = HeaderMap::new();
        Some(
            status
                .add_header(&mut trailers)
                .map(|()| Frame::trailers(trailers)),
        )
    }
}

impl Body for Sent {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let this = &mut *self;
        if this.ended {
            return Poll::Ready(None);
        }
        if let Some(ending) = &mut this.ending
            && let Poll::Ready(status) = ending.as_mut().poll(cx)
        {
            return Poll::Ready(this.end_with(&status));
        }
        ready!(this.answered.poll_room(cx));
        let polled = Pin::new(&mut this.inner).poll_frame(cx);
        if let Poll::Ready(Some(Ok(frame))) = &polled {
            if let Some(data) = frame.data_ref() {
                this.call.sent(data.len());
            } else if let Some(trailers) = frame.trailers_ref() {
                this.call.ended(code_of(trailers).unwrap_or(Code::Ok));
            }
        }
        polled.map_ok(|frame| frame.map_data(|data| this.answered.count(data)))
    }

    fn is_end_stream(&self) -> bool {
        self.ended || self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

const GRPC_STATUS: HeaderName = HeaderName::from_static("grpc-status");

/// The code that headers or trailers say, if they do.
pub(crate) fn code_of(headers: &HeaderMap) -> Option<Code> {
    headers
        .get(GRPC_STATUS)
        .map(|code| Code::from_bytes(code.as_bytes()))
}
