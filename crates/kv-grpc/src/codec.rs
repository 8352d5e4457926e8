use std::marker::PhantomData;

use prost::Message;
use tonic::Status;
use tonic::codec::{BufferSettings, Codec, DecodeBuf, Decoder, EncodeBuf, Encoder};

use crate::error::{INVALID_TEXT, UNREADABLE};

/// What a buffer for answers begins with: most answers are no longer.
const ENCODE_BUFFER_BYTES: usize = 128;

/// Of streamed answers as many as are ready share a buffer, up to this.
const YIELD_BYTES: usize = 32 * 1024;

/// Messages of protobuf, in buffers as small as what is in them: tonic's own begin with 8 KiB each way, and
/// allocating those costs a call more than anything else it allocates.
#[derive(Debug)]
pub(crate) struct MessageCodec<E, D>(PhantomData<(E, D)>);

impl<E, D> Default for MessageCodec<E, D> {
    fn default() -> Self {
        Self(PhantomData)
    }
}

impl<E: Message + 'static, D: Message + Default + 'static> Codec for MessageCodec<E, D> {
    type Encode = E;
    type Decode = D;
    type Encoder = MessageEncoder<E>;
    type Decoder = MessageDecoder<D>;

    fn encoder(&mut self) -> Self::Encoder {
        MessageEncoder(PhantomData)
    }

    fn decoder(&mut self) -> Self::Decoder {
        decoder()
    }
}

/// A decoder whose buffer is as large as what arrives.
pub(crate) fn decoder<D: Message + Default + 'static>() -> MessageDecoder<D> {
    MessageDecoder(PhantomData)
}

/// Reads messages; what is none is refused in the words that a server in Go has for it.
#[derive(Debug)]
pub(crate) struct MessageDecoder<D>(PhantomData<D>);

impl<D: Message + Default> Decoder for MessageDecoder<D> {
    type Item = D;
    type Error = Status;

    fn decode(&mut self, buffer: &mut DecodeBuf<'_>) -> Result<Option<D>, Status> {
        let message = D::decode(buffer).map_err(|error| {
            let is_text = error.to_string().contains("UTF-8");
            Status::internal(if is_text { INVALID_TEXT } else { UNREADABLE })
        });
        message.map(Some)
    }

    fn buffer_settings(&self) -> BufferSettings {
        BufferSettings::new(0, YIELD_BYTES)
    }
}

/// How an encoder begins with a buffer of this size.
pub(crate) fn buffers(bytes: usize) -> BufferSettings {
    BufferSettings::new(bytes, YIELD_BYTES)
}

/// Writes messages; the buffer grows once for each at most.
#[derive(Debug)]
pub(crate) struct MessageEncoder<E>(PhantomData<E>);

impl<E: Message> Encoder for MessageEncoder<E> {
    type Item = E;
    type Error = Status;

    fn encode(&mut self, message: E, buf: &mut EncodeBuf<'_>) -> Result<(), Status> {
        buf.reserve(message.encoded_len());
        message.encode_raw(buf);
        Ok(())
    }

    fn buffer_settings(&self) -> BufferSettings {
        buffers(ENCODE_BUFFER_BYTES)
    }
}
