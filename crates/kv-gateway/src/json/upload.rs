//! Requests out of an HTTP body: JSON values, one after another.

use bytes::{Buf, Bytes, BytesMut};
use http_body_util::BodyExt;
use kv_grpc::RequestBody;
use serde_json::value::RawValue;
use tonic::Status;

/// A body that is read as far as values are asked for.
pub(super) struct Upload<B> {
    body: B,
    buffer: BytesMut,
    is_over: bool,
    /// Bytes of one value.
    value_bytes_max: usize,
}

impl<B: RequestBody> Upload<B> {
    pub(super) fn new(body: B, value_bytes_max: usize) -> Self {
        Self {
            body,
            buffer: BytesMut::new(),
            is_over: false,
            value_bytes_max,
        }
    }

    /// The next value; `None` at the end.
    ///
    /// # Errors
    /// What is no JSON, or too much of it.
    pub(super) async fn next(&mut self) -> Result<Option<Box<RawValue>>, Status> {
        loop {
            if let Some(value) = self.take()? {
                return Ok(Some(value));
            }
            if self.is_over {
                return Ok(None);
            }
            if self.buffer.len() > self.value_bytes_max {
                let max = self.value_bytes_max;
                return Err(Status::resource_exhausted(format!(
                    "a request of more than {max} bytes of JSON"
                )));
            }
            self.receive().await?;
        }
    }

    /// A value that has arrived as a whole.
    fn take(&mut self) -> Result<Option<Box<RawValue>>, Status> {
        let mut values = serde_json::Deserializer::from_slice(&self.buffer).into_iter::<Box<RawValue>>();
        let value = values.next();
        let taken = values.byte_offset();
        match value {
            Some(Ok(value)) => {
                self.buffer.advance(taken);
                Ok(Some(value))
            }
            Some(Err(error)) if error.is_eof() && !self.is_over => Ok(None),
            Some(Err(error)) if error.is_eof() => Err(Status::invalid_argument("unexpected EOF")),
            Some(Err(error)) => Err(Status::invalid_argument(format!("proto: syntax error: {error}"))),
            None => Ok(None),
        }
    }

    async fn receive(&mut self) -> Result<(), Status> {
        match self.body.frame().await {
            Some(Ok(frame)) => {
                let data: Bytes = frame.into_data().unwrap_or_default();
                self.buffer.extend_from_slice(&data);
            }
            Some(Err(error)) => {
                let error: Box<dyn std::error::Error + Send + Sync> = error.into();
                return Err(Status::cancelled(error.to_string()));
            }
            None => self.is_over = true,
        }
        self.is_over |= self.body.is_end_stream();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use futures_util::stream;
    use http_body::Frame;
    use http_body_util::StreamBody;

    use super::*;

    async fn values(pieces: &[&'static str], max: usize) -> Result<Vec<String>, String> {
        let frames: Vec<Result<Frame<Bytes>, Status>> = pieces
            .iter()
            .map(|piece| Ok(Frame::data(Bytes::from_static(piece.as_bytes()))))
            .collect();
        let mut upload = Upload::new(StreamBody::new(stream::iter(frames)), max);
        let mut values = Vec::new();
        while let Some(value) = upload
            .next()
            .await
            .map_err(|status| status.message().to_owned())?
        {
            values.push(value.get().to_owned());
        }
        Ok(values)
    }

    #[tokio::test]
    async fn values_follow_one_another_wherever_the_body_is_cut() {
        let want = Ok(vec!["{\"a\":1}".to_owned(), "{\"b\":2}".to_owned()]);
        assert_eq!(values(&["{\"a\":1}{\"b\":2}"], 99).await, want);
        assert_eq!(values(&["{\"a\"", ":1}\n", " {\"b\":2}\n"], 99).await, want);
        assert_eq!(values(&[], 99).await, Ok(vec![]));
    }

    #[tokio::test]
    async fn what_is_no_json_and_what_is_too_much_is_refused() {
        assert_eq!(values(&["{"], 99).await, Err("unexpected EOF".to_owned()));
        assert!(values(&["}"], 99).await.unwrap_err().contains("syntax error"));
        assert!(
            values(&["[1,2,3,4", ",5", ",6"], 8)
                .await
                .unwrap_err()
                .contains("more than 8 bytes")
        );
    }
}
