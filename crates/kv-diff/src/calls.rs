use bytes::Bytes;
use http::uri::PathAndQuery;
use prost::Message;
use tokio_stream::{Stream, StreamExt};
use tonic::client::Grpc;
use tonic::transport::Channel;
use tonic::{Code, Request, Status};

use crate::answer::{Answer, Failure, decode};
use crate::raw::RawCodec;

/// One server's methods, by their paths.
#[derive(Clone, Debug)]
pub(crate) struct Calls {
    channel: Channel,
}

impl Calls {
    pub(crate) fn new(channel: Channel) -> Self {
        Self { channel }
    }

    async fn ready(&self) -> Result<Grpc<Channel>, Status> {
        let mut grpc = Grpc::new(self.channel.clone())
            .max_decoding_message_size(usize::MAX)
            .max_encoding_message_size(usize::MAX);
        let ready = grpc.ready().await;
        ready.map_err(|error| Status::new(Code::Unavailable, error.to_string()))?;
        Ok(grpc)
    }

    /// Sends bytes as a message.
    pub(crate) async fn raw(&self, path: &str, message: Bytes) -> Result<Bytes, Status> {
        let path = path_of(path)?;
        let mut grpc = self.ready().await?;
        let answer = grpc.unary(Request::new(message), path, RawCodec).await?;
        Ok(answer.into_inner())
    }

    /// A call with one answer.
    pub(crate) async fn unary<A: Message + Default>(
        &self,
        path: &str,
        request: &impl Message,
    ) -> Result<A, Answer> {
        let answer = self.raw(path, request.encode_to_vec().into()).await;
        decode(&answer.map_err(|status| Answer::Failure(status.into()))?)
    }

    /// A call with many answers, and how it ended.
    pub(crate) async fn many<A: Message + Default>(
        &self,
        path: &str,
        requests: Vec<Bytes>,
    ) -> Result<(Vec<A>, Option<Failure>), Answer> {
        let mut answers = Vec::new();
        let mut stream = match self.stream(path, tokio_stream::iter(requests)).await {
            Ok(stream) => stream,
            Err(status) => return Ok((answers, Some(status.into()))),
        };
        loop {
            match stream.next().await {
                Some(Ok(bytes)) => answers.push(decode(&bytes)?),
                Some(Err(status)) => return Ok((answers, Some(status.into()))),
                None => return Ok((answers, None)),
            }
        }
    }

    /// Opens a stream.
    pub(crate) async fn stream(
        &self,
        path: &str,
        requests: impl Stream<Item = Bytes> + Send + 'static,
    ) -> Result<tonic::Streaming<Bytes>, Status> {
        let path = path_of(path)?;
        let mut grpc = self.ready().await?;
        let answers = grpc.streaming(Request::new(requests), path, RawCodec).await?;
        Ok(answers.into_inner())
    }
}

fn path_of(path: &str) -> Result<PathAndQuery, Status> {
    path.parse()
        .map_err(|error| Status::internal(format!("path {path}: {error}")))
}
