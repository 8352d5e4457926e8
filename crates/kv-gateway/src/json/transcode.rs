//! Between JSON and the bytes of messages, by the descriptions of the messages.

use std::sync::LazyLock;

use bytes::{BufMut, Bytes, BytesMut};
use kv_grpc::Method;
use prost::Message;
use prost_reflect::{
    DescriptorPool, DeserializeOptions, DynamicMessage, MessageDescriptor, MethodDescriptor, SerializeOptions,
};
use serde_json::value::RawValue;
use tonic::Status;

/// Read when the first request needs it: a member that is not asked in JSON does not pay for it.
static POOL: LazyLock<Option<DescriptorPool>> =
    LazyLock::new(|| DescriptorPool::decode(kv_proto::DESCRIPTORS).ok());

/// The length of what precedes a message in a gRPC body: whether it is compressed, and its length.
pub(super) const PREFIX_BYTES: usize = 5;

/// The messages of a method.
#[derive(Clone, Debug)]
pub(super) struct Shapes {
    input: MessageDescriptor,
    output: MessageDescriptor,
}

impl Shapes {
    /// # Errors
    /// If the descriptions do not know the method.
    pub(super) fn of(method: Method) -> Result<Self, Status> {
        let found = describe(method).ok_or_else(|| Status::internal("a method without a description"))?;
        Ok(Self {
            input: found.input(),
            output: found.output(),
        })
    }

    /// A request as it follows others in a gRPC body. Fields that are not known are left out, as are unknown names of
    /// enums.
    pub(super) fn read(&self, json: &RawValue) -> Result<Bytes, Status> {
        let mut reader = serde_json::Deserializer::from_str(json.get());
        let options = DeserializeOptions::new().deny_unknown_fields(false);
        let message = DynamicMessage::deserialize_with_options(self.input.clone(), &mut reader, &options);
        let message = message.map_err(|error| Status::invalid_argument(format!("proto: {error}")))?;
        Ok(framed(&message))
    }

    /// The request in which nothing is said.
    pub(super) fn empty(&self) -> Bytes {
        framed(&DynamicMessage::new(self.input.clone()))
    }

    /// The JSON form of a response: names of fields as declared, fields with their zero value left out.
    pub(super) fn write(&self, message: Bytes) -> Result<Vec<u8>, Status> {
        let fault = |error: &dyn std::fmt::Display| Status::internal(error.to_string());
        let message = DynamicMessage::decode(self.output.clone(), message).map_err(|error| fault(&error))?;
        let options = SerializeOptions::new().use_proto_field_name(true);
        let mut json = Vec::new();
        message
            .serialize_with_options(&mut serde_json::Serializer::new(&mut json), &options)
            .map_err(|error| fault(&error))?;
        Ok(json)
    }
}

fn describe(method: Method) -> Option<MethodDescriptor> {
    let service = POOL.as_ref()?.get_service_by_name(method.service())?;
    service.methods().find(|found| found.name() == method.name())
}

fn framed(message: &DynamicMessage) -> Bytes {
    let length = message.encoded_len();
    let mut bytes = BytesMut::with_capacity(PREFIX_BYTES + length);
    bytes.put_u8(0);
    bytes.put_u32(u32::try_from(length).unwrap_or(u32::MAX));
    message.encode_raw(&mut bytes);
    bytes.freeze()
}

#[cfg(test)]
mod tests {
    use kv_proto::etcdserverpb as etcd;

    use super::*;

    fn read(method: Method, json: &str) -> Result<Bytes, Status> {
        let json: &RawValue = serde_json::from_str(json).unwrap();
        let framed = Shapes::of(method).unwrap().read(json)?;
        Ok(framed.slice(PREFIX_BYTES..))
    }

    /// Each of these a real etcd takes.
    #[test]
    fn names_numbers_and_bytes_come_in_several_forms() {
        let range = |json: &str| etcd::RangeRequest::decode(read(Method::Range, json).unwrap()).unwrap();
        let want = etcd::RangeRequest {
            key: Bytes::from_static(b"foo"),
            limit: 7,
            sort_order: 2,
            ..Default::default()
        };
        for json in [
            r#"{"key":"Zm9v","limit":"7","sort_order":"DESCEND"}"#,
            r#"{"key":"Zm9v","limit":7,"sortOrder":2,"revision":null,"nonsense":{"a":1}}"#,
            r#"{"key":"Zm9v","limit":7,"sort_order":"DESCEND","sort_target":"NOSUCH"}"#,
        ] {
            assert_eq!(range(json), want, "{json}");
        }
        assert_eq!(&range(r#"{"key":"Zm8"}"#).key[..], b"fo");
        let refused = read(Method::Range, r#"{"limit":"x"}"#).unwrap_err();
        assert_eq!(refused.code(), tonic::Code::InvalidArgument);
    }

    #[test]
    fn responses_leave_out_zeroes_and_write_long_numbers_as_text() {
        let response = etcd::RangeResponse {
            header: Some(etcd::ResponseHeader {
                cluster_id: u64::MAX,
                ..Default::default()
            }),
            kvs: vec![kv_proto::mvccpb::KeyValue {
                key: Bytes::from_static(b"\xff"),
                create_revision: -1,
                ..Default::default()
            }],
            more: true,
            count: 0,
        };
        let json = Shapes::of(Method::Range)
            .unwrap()
            .write(response.encode_to_vec().into())
            .unwrap();
        assert_eq!(
            String::from_utf8(json).unwrap(),
            r#"{"header":{"cluster_id":"18446744073709551615"},"kvs":[{"key":"/w==","create_revision":"-1"}],"more":true}"#
        );
    }
}
