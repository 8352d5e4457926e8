use std::ops::Range;
use std::sync::Arc;

use bytes::{BufMut, Bytes, BytesMut};
use kv_mvcc::Row;
use kv_proto::etcdserverpb as etcd;
use kv_proto::mvccpb;
use kv_types::LeaseId;
use kv_watch::Event;
use prost::Message;
use tonic::Status;
use tonic::codec::{BufferSettings, Codec, EncodeBuf, Encoder};

use crate::codec::{self, MessageDecoder};

/// The number of `WatchResponse.events`.
const EVENTS_TAG: u32 = 11;

/// A `WatchResponse` whose events are encoded apart from it, once for all streams that send them.
///
/// Events come last in the message, so their bytes simply follow those of the rest.
#[derive(Debug)]
pub(crate) struct Frame {
    /// Everything but the events.
    pub(crate) head: etcd::WatchResponse,
    /// The events, of which only some may belong to this frame.
    pub(crate) events: Arc<[Arc<Event>]>,
    /// Which.
    pub(crate) part: Range<usize>,
    /// Whether they are sent with the values before them.
    pub(crate) with_prev: bool,
}

impl Frame {
    /// A response without events.
    pub(crate) fn without_events(head: etcd::WatchResponse) -> Self {
        Self {
            head,
            events: Arc::default(),
            part: 0..0,
            with_prev: false,
        }
    }

    fn encode(&self, buf: &mut impl BufMut) {
        self.head.encode_raw(buf);
        for event in &self.events[self.part.clone()] {
            buf.put_slice(encoded(event, self.with_prev));
        }
    }

    fn encoded_len(&self) -> usize {
        let events = &self.events[self.part.clone()];
        self.head.encoded_len()
            + events
                .iter()
                .map(|event| encoded(event, self.with_prev).len())
                .sum::<usize>()
    }
}

/// The event as a field of the response.
pub(super) fn encoded(event: &Event, with_prev: bool) -> &Bytes {
    event.encoded(with_prev, |event| {
        let row = event.row();
        let kind = match row.tombstone {
            false => mvccpb::event::EventType::Put,
            true => mvccpb::event::EventType::Delete,
        };
        let message = mvccpb::Event {
            r#type: kind.into(),
            kv: Some(key_value(row)),
            prev_kv: event.prev().filter(|_| with_prev).map(|prev| key_value(prev)),
        };
        let mut buf = BytesMut::with_capacity(prost::encoding::message::encoded_len(EVENTS_TAG, &message));
        prost::encoding::message::encode(EVENTS_TAG, &message, &mut buf);
        buf.freeze()
    })
}

/// A deletion's row has nothing but the key and the revision, just as its event.
fn key_value(row: &Row) -> mvccpb::KeyValue {
    mvccpb::KeyValue {
        key: row.key.clone(),
        create_revision: row.create_revision.get(),
        mod_revision: row.revision.main.get(),
        version: row.version.get(),
        value: row.value.clone(),
        lease: LeaseId::to_wire(row.lease),
    }
}

/// What the buffer of a stream begins with, and keeps while nothing happens: a member has thousands of them.
const ENCODE_BUFFER_BYTES: usize = 1024;

/// Requests in, frames out.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct WatchCodec;

impl Codec for WatchCodec {
    type Encode = Frame;
    type Decode = etcd::WatchRequest;
    type Encoder = FrameEncoder;
    type Decoder = MessageDecoder<etcd::WatchRequest>;

    fn encoder(&mut self) -> FrameEncoder {
        FrameEncoder
    }

    fn decoder(&mut self) -> Self::Decoder {
        codec::decoder()
    }
}

/// Writes frames.
#[derive(Clone, Copy, Debug)]
pub(crate) struct FrameEncoder;

impl Encoder for FrameEncoder {
    type Item = Frame;
    type Error = Status;

    fn encode(&mut self, frame: Frame, buf: &mut EncodeBuf<'_>) -> Result<(), Status> {
        buf.reserve(frame.encoded_len());
        frame.encode(buf);
        Ok(())
    }

    fn buffer_settings(&self) -> BufferSettings {
        codec::buffers(ENCODE_BUFFER_BYTES)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::watch::testing::{events, put, tombstone};

    #[test]
    fn a_frame_is_the_message_it_stands_for() {
        let head = etcd::WatchResponse {
            header: Some(etcd::ResponseHeader {
                cluster_id: 1,
                member_id: 2,
                revision: 9,
                raft_term: 3,
            }),
            watch_id: 4,
            ..Default::default()
        };
        let events = events(vec![put("a", "1", 8), put("b", "2", 9), tombstone("a", 9)]);
        let frame = Frame {
            head: head.clone(),
            events,
            part: 1..3,
            with_prev: false,
        };
        let mut bytes = Vec::new();
        frame.encode(&mut bytes);
        assert_eq!(bytes.len(), frame.encoded_len());

        let kv = mvccpb::KeyValue {
            key: Bytes::from_static(b"b"),
            create_revision: 9,
            mod_revision: 9,
            version: 1,
            value: Bytes::from_static(b"2"),
            lease: 0,
        };
        let gone = mvccpb::KeyValue {
            key: Bytes::from_static(b"a"),
            mod_revision: 9,
            ..Default::default()
        };
        let expected = etcd::WatchResponse {
            events: vec![
                mvccpb::Event {
                    r#type: 0,
                    kv: Some(kv),
                    prev_kv: None,
                },
                mvccpb::Event {
                    r#type: 1,
                    kv: Some(gone),
                    prev_kv: None,
                },
            ],
            ..head
        };
        assert_eq!(etcd::WatchResponse::decode(&bytes[..]).unwrap(), expected);
        assert_eq!(bytes, expected.encode_to_vec());
    }

    #[test]
    fn an_event_is_encoded_once_for_all_streams() {
        let events = events(vec![put("a", "1", 8)]);
        assert_eq!(
            encoded(&events[0], false).as_ptr(),
            encoded(&events[0], false).as_ptr()
        );
    }
}
