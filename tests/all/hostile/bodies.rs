use std::future::poll_fn;

use anyhow::{Context, Result};
use bytes::Bytes;
use h2::client::SendRequest;
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tonic::codegen::http::Request;

use super::siege::Siege;
use super::wire::{DATA, END_HEADERS, HEADERS, call_headers, frame, hello, send, send_what_is_taken};

/// Connections that each hold as much as the member lets one have on its way: with 2 MiB for each of 100 requests
/// that would be 4 GB.
const CONNECTIONS: usize = 20;
const REQUESTS: u32 = 100;

#[tokio::test]
async fn requests_that_never_end_take_no_more_memory_than_there_is_for_requests() -> Result<()> {
    let siege = Siege::begin(&[]).await?;
    let mut senders = JoinSet::new();
    for _ in 0..CONNECTIONS {
        let stream = TcpStream::connect(siege.address()).await?;
        let (client, connection) = h2::client::handshake(stream).await?;
        senders.spawn(async move {
            // Ended by the member, or with the test.
            let _ = connection.await;
        });
        for _ in 0..REQUESTS {
            let client = client.clone();
            senders.spawn(async move {
                // Refused at some point.
                let _ = send_all_but_the_end(client).await;
            });
        }
    }
    for _ in 0..5 {
        siege.serves().await?;
    }
    senders.shutdown().await;
    siege.end(600).await
}

/// Sends a put of 2,000,000 bytes, its last byte never.
async fn send_all_but_the_end(client: SendRequest<Bytes>) -> Result<()> {
    let request = Request::post("http://localhost/etcdserverpb.KV/Put")
        .header("content-type", "application/grpc")
        .header("te", "trailers")
        .body(())?;
    let (_answer, mut body) = client.ready().await?.send_request(request, false)?;
    body.send_data(Bytes::from_static(&[0, 0, 0x1e, 0x84, 0x80]), false)?;
    let mut left: usize = 1_999_999;
    while left > 0 {
        body.reserve_capacity(left.min(16_000));
        let capacity = poll_fn(|cx| body.poll_capacity(cx)).await;
        let sent = capacity.context("the stream has ended")??.min(left);
        body.send_data(vec![0; sent].into(), false)?;
        left -= sent;
    }
    std::future::pending().await
}

#[tokio::test]
async fn a_stream_of_requests_without_end_is_taken_piece_by_piece() -> Result<()> {
    let siege = Siege::begin(&[]).await?;
    for path in [
        "/etcdserverpb.KV/Put",
        "/etcdserverpb.Watch/Watch",
        "/etcdserverpb.Lease/LeaseKeepAlive",
    ] {
        let mut connection = TcpStream::connect(siege.address()).await?;
        send(&mut connection, &hello(0)).await?;
        let mut bytes = Vec::new();
        frame(&mut bytes, HEADERS, END_HEADERS, 1, &call_headers(path));
        // Requests without content.
        for _ in 0..1000 {
            frame(&mut bytes, DATA, 0, 1, &[0; 5000]);
        }
        send_what_is_taken(&mut connection, &bytes).await;
        siege.serves().await?;
    }
    siege.end(200).await
}
