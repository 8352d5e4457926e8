use kv_proto::etcdserverpb as etcd;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::metadata::MetadataValue;
use tonic::transport::Channel;
use tonic::{Request, Status, Streaming};

use crate::ClientError;

/// Requests that wait to be sent on one stream.
const QUEUE: usize = 16;

/// A watch stream: any number of watchers on one member. Dropping it cancels them all.
#[derive(Debug)]
pub struct Watch {
    requests: mpsc::Sender<etcd::WatchRequest>,
    responses: Streaming<etcd::WatchResponse>,
}

impl Watch {
    pub(crate) async fn open(
        channel: Channel,
        first: Request<etcd::WatchCreateRequest>,
        response_bytes_max: usize,
        leader_required: bool,
    ) -> Result<Self, Status> {
        let (requests, queue) = mpsc::channel(QUEUE);
        let (metadata, extensions, first) = first.into_parts();
        let create = etcd::WatchRequest {
            request_union: Some(etcd::watch_request::RequestUnion::CreateRequest(first)),
        };
        send_first(&requests, create)?;
        let mut call = Request::from_parts(metadata, extensions, ReceiverStream::new(queue));
        if leader_required {
            call.metadata_mut()
                .insert("hasleader", MetadataValue::from_static("true"));
        }
        let responses = etcd::watch_client::WatchClient::new(channel)
            .max_decoding_message_size(response_bytes_max)
            .watch(call)
            .await?
            .into_inner();
        Ok(Self { requests, responses })
    }

    /// Creates a watcher; the response marked `created` carries its ID.
    ///
    /// # Errors
    /// [`ClientError::Closed`].
    pub async fn create(&self, request: etcd::WatchCreateRequest) -> Result<(), ClientError> {
        self.send(etcd::watch_request::RequestUnion::CreateRequest(request))
            .await
    }

    /// Cancels a watcher.
    ///
    /// # Errors
    /// [`ClientError::Closed`].
    pub async fn cancel(&self, watch_id: i64) -> Result<(), ClientError> {
        self.send(etcd::watch_request::RequestUnion::CancelRequest(
            etcd::WatchCancelRequest { watch_id },
        ))
        .await
    }

    /// Asks how far the stream has come. There is no answer while a watcher lags.
    ///
    /// # Errors
    /// [`ClientError::Closed`].
    pub async fn request_progress(&self) -> Result<(), ClientError> {
        self.send(etcd::watch_request::RequestUnion::ProgressRequest(
            etcd::WatchProgressRequest {},
        ))
        .await
    }

    async fn send(&self, union: etcd::watch_request::RequestUnion) -> Result<(), ClientError> {
        let request = etcd::WatchRequest {
            request_union: Some(union),
        };
        self.requests.send(request).await.map_err(|_| ClientError::Closed)
    }

    /// The next response; `None` when the server has ended the stream. Safe to drop and call again.
    ///
    /// # Errors
    /// [`ClientError::Status`]: the stream is over.
    pub async fn next(&mut self) -> Result<Option<etcd::WatchResponse>, ClientError> {
        Ok(self.responses.message().await?)
    }
}

/// A stream that keeps leases alive.
#[derive(Debug)]
pub struct KeepAlive {
    requests: mpsc::Sender<etcd::LeaseKeepAliveRequest>,
    responses: Streaming<etcd::LeaseKeepAliveResponse>,
}

impl KeepAlive {
    pub(crate) async fn open(
        channel: Channel,
        id: Request<i64>,
    ) -> Result<(Self, etcd::LeaseKeepAliveResponse), Status> {
        let (requests, queue) = mpsc::channel(QUEUE);
        let (metadata, extensions, id) = id.into_parts();
        send_first(&requests, etcd::LeaseKeepAliveRequest { id })?;
        let mut responses = etcd::lease_client::LeaseClient::new(channel)
            .lease_keep_alive(Request::from_parts(
                metadata,
                extensions,
                ReceiverStream::new(queue),
            ))
            .await?
            .into_inner();
        let answer = responses.message().await?;
        let answer = answer.ok_or_else(|| Status::unavailable("the stream has ended without an answer"))?;
        Ok((Self { requests, responses }, answer))
    }

    /// Renews a lease and waits for the answer; its TTL is 0 if there is no such lease.
    ///
    /// # Errors
    /// [`ClientError::Closed`], [`ClientError::Status`].
    pub async fn renew(&mut self, id: i64) -> Result<etcd::LeaseKeepAliveResponse, ClientError> {
        let request = etcd::LeaseKeepAliveRequest { id };
        self.requests
            .send(request)
            .await
            .map_err(|_| ClientError::Closed)?;
        self.responses.message().await?.ok_or(ClientError::Closed)
    }
}

/// Puts the first request into the queue of a stream that is still to be opened.
fn send_first<Q>(requests: &mpsc::Sender<Q>, request: Q) -> Result<(), Status> {
    let sent = requests.try_send(request);
    sent.map_err(|_| Status::internal("the queue of a new stream is closed"))
}
