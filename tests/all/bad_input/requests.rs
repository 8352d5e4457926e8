use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use kv_proto::etcdserverpb::{PutRequest, RequestOp, TxnRequest};
use kv_tests::{Cluster, Member, Random};
use tonic::codec::{BufferSettings, Codec, DecodeBuf, Decoder, EncodeBuf, Encoder};
use tonic::codegen::http::uri::PathAndQuery;
use tonic::{Code, Request, Status};

use super::{get, put};

/// etcd's `--max-request-bytes`.
const REQUEST_BYTES_MAX: usize = 1_572_864;

async fn is_refused(member: &Member, bytes: usize, code: Code, text: &str) -> Result<()> {
    let value = "v".repeat(bytes);
    let refused = put(member, "large", &value).await.err().context("it was taken")?;
    ensure!(refused.code() == code, "{refused}");
    ensure!(refused.message().contains(text), "{refused}");
    ensure!(get(member, "large").await?.is_none(), "it was refused");
    Ok(())
}

#[tokio::test]
async fn requests_that_are_too_large_are_refused_as_etcd_does() -> Result<()> {
    let cluster = Cluster::started(1).await?;
    let member = &cluster.members[0];
    let text = "etcdserver: request is too large";
    is_refused(member, REQUEST_BYTES_MAX, Code::InvalidArgument, text).await?;
    // More than that and 512 KiB the transport does not take.
    let text = "grpc: received message larger than max";
    is_refused(member, 3 << 20, Code::ResourceExhausted, text).await?;

    let request = TxnRequest {
        success: vec![RequestOp::default(); 129],
        ..TxnRequest::default()
    };
    let refused = member.kv()?.txn(request).await.err().context("it was taken")?;
    ensure!(
        refused.message() == "etcdserver: too many operations in txn request",
        "{refused}"
    );
    put(member, "large", &"v".repeat(REQUEST_BYTES_MAX - 1000)).await?;
    Ok(())
}

/// Sends bytes as they are.
#[derive(Clone, Copy)]
struct Raw;

impl Codec for Raw {
    type Encode = Vec<u8>;
    type Decode = ();
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        *self
    }

    fn decoder(&mut self) -> Self {
        *self
    }
}

impl Encoder for Raw {
    type Item = Vec<u8>;
    type Error = Status;

    fn encode(&mut self, item: Vec<u8>, buffer: &mut EncodeBuf<'_>) -> Result<(), Status> {
        bytes::BufMut::put_slice(buffer, &item);
        Ok(())
    }

    fn buffer_settings(&self) -> BufferSettings {
        BufferSettings::default()
    }
}

impl Decoder for Raw {
    type Item = ();
    type Error = Status;

    fn decode(&mut self, _: &mut DecodeBuf<'_>) -> Result<Option<()>, Status> {
        Ok(Some(()))
    }
}

/// Calls a method with a body of `bytes`.
async fn call(member: &Member, path: &'static str, bytes: Vec<u8>) -> Result<(), Status> {
    let channel = member
        .channel()
        .map_err(|error| Status::internal(error.to_string()))?;
    let mut client = tonic::client::Grpc::new(channel);
    client
        .ready()
        .await
        .map_err(|error| Status::unavailable(error.to_string()))?;
    let path = PathAndQuery::from_static(path);
    client.unary(Request::new(bytes), path, Raw).await.map(drop)
}

#[tokio::test]
async fn garbage_in_a_request_is_an_error_and_others_are_served() -> Result<()> {
    let mut cluster = Cluster::started(1).await?;
    let member = &cluster.members[0];
    put(member, "before", "1").await?;
    let mut random = Random::new(1);
    for path in [
        "/etcdserverpb.KV/Put",
        "/etcdserverpb.KV/Txn",
        "/etcdserverpb.Lease/LeaseGrant",
    ] {
        for length in [1, 10, 1000, 100_000] {
            // Field 1, with a wire type that there is not.
            let mut garbage = vec![0x0f];
            garbage.extend((0..length).map(|_| random.draw().to_le_bytes()[0]));
            let refused = call(member, path, garbage).await.err().context("it was taken")?;
            ensure!(
                refused.code() == Code::Internal,
                "{path} with {length} bytes: {refused}"
            );
        }
    }
    let refused = call(member, "/etcdserverpb.KV/NoSuchMethod", Vec::new())
        .await
        .err();
    ensure!(
        refused.context("it was taken")?.code() == Code::Unimplemented,
        "no such method"
    );
    ensure!(
        get(member, "before").await?.as_deref() == Some("1"),
        "others are served"
    );
    ensure!(cluster.members[0].process()?.pid().is_some(), "it runs");
    Ok(())
}

#[tokio::test]
async fn garbage_on_a_connection_ends_that_connection_alone() -> Result<()> {
    let cluster = Cluster::started(1).await?;
    let member = &cluster.members[0];
    let mut client = member.kv()?;
    let request = PutRequest {
        key: "key".into(),
        ..PutRequest::default()
    };
    client.put(request.clone()).await?;
    let address = member.client_url.trim_start_matches("http://");
    let mut random = Random::new(2);
    let garbage: Vec<u8> = (0..50_000).map(|_| random.draw().to_le_bytes()[0]).collect();
    let preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
    for bytes in [
        garbage.clone(),
        [preface, &garbage[..]].concat(),
        b"GET\0/ HTTP/9\r\n\r\n".to_vec(),
    ] {
        let address = address.to_owned();
        tokio::task::spawn_blocking(move || ends(&address, &bytes)).await??;
        client.put(request.clone()).await?;
    }
    Ok(())
}

/// Sends bytes to an address, which must end the connection.
fn ends(address: &str, bytes: &[u8]) -> Result<()> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(Duration::from_secs(10)))?;
    // It may have been ended in the middle of this.
    let _ = stream.write_all(bytes);
    match stream.read_to_end(&mut Vec::new()) {
        Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {
            anyhow::bail!("the connection stays open")
        }
        _ => Ok(()),
    }
}
