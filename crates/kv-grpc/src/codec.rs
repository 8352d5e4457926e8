use std::marker::PhantomData;

use prost::Message;
use tonic::Status;
use tonic::codec::{BufferSettings, Codec, EncodeBuf, Encoder};
use tonic_prost::{ProstCodec, ProstDecoder};

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
    type Decoder = ProstDecoder<D>;

    fn encoder(&mut self) -> Self::Encoder {
        MessageEncoder(PhantomData)
    }

    fn decoder(&mut self) -> Self::Decoder {
        decoder()
    }
}

/// A decoder whose buffer is as large as what arrives.
pub(crate) fn decoder<D: Message + Default + 'static>() -> ProstDecoder<D> {
    ProstCodec::<D, D>::raw_decoder(BufferSettings::new(0, YIELD_BYTES))
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
