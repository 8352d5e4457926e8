use anyhow::{Result, ensure};
use kv_proto::etcdserverpb::watch_request::RequestUnion;
use kv_proto::etcdserverpb::{RangeRequest, WatchCreateRequest, WatchRequest};
use tokio::net::TcpStream;

use super::siege::{Siege, put};
use super::wire::{DATA, END_HEADERS, HEADERS, call, call_headers, frame, hello, message, send};

/// Values of a mebibyte that a range returns.
const VALUES: usize = 32;

fn everything() -> RangeRequest {
    RangeRequest {
        key: "large".into(),
        range_end: "largf".into(),
        ..RangeRequest::default()
    }
}

#[tokio::test]
async fn ranges_that_nobody_reads_take_no_more_memory_than_there_is_for_answers() -> Result<()> {
    let siege = Siege::begin(&[]).await?;
    let mut client = siege.cluster.members[0]
        .kv()?
        .max_decoding_message_size(usize::MAX);
    for number in 0..VALUES {
        put(&mut client, &format!("large{number}"), &"v".repeat(1 << 20)).await?;
    }
    let mut connections = Vec::new();
    for path in ["/etcdserverpb.KV/Range", "/etcdserverpb.KV/RangeStream"] {
        // 50 answers each: in all some 9 GiB.
        for _ in 0..3 {
            let mut connection = TcpStream::connect(siege.address()).await?;
            let mut bytes = hello(0);
            for stream in (1..100).step_by(2) {
                call(&mut bytes, stream, path, &everything());
            }
            send(&mut connection, &bytes).await?;
            connections.push(connection);
        }
    }
    siege.serves().await?;
    for _ in 0..5 {
        let found = client.range(everything()).await?.into_inner();
        ensure!(found.kvs.len() == VALUES, "an answer is not complete");
    }
    drop((connections, client));
    siege.end(700).await
}

#[tokio::test]
async fn watchers_that_read_nothing_hold_up_nobody() -> Result<()> {
    let siege = Siege::begin(&[]).await?;
    let mut connection = TcpStream::connect(siege.address()).await?;
    let create = WatchRequest {
        request_union: Some(RequestUnion::CreateRequest(WatchCreateRequest {
            key: "large".into(),
            range_end: "largf".into(),
            start_revision: 1,
            prev_kv: true,
            ..WatchCreateRequest::default()
        })),
    };
    let mut bytes = hello(0);
    for stream in (1..2000).step_by(2) {
        frame(
            &mut bytes,
            HEADERS,
            END_HEADERS,
            stream,
            &call_headers("/etcdserverpb.Watch/Watch"),
        );
        frame(&mut bytes, DATA, 0, stream, &message(&create));
    }
    send(&mut connection, &bytes).await?;
    let mut client = siege.cluster.members[0].kv()?;
    for number in 0..1000 {
        let value = char::from(b'a' + u8::try_from(number % 26)?).to_string();
        put(
            &mut client,
            &format!("large{}", number % 10),
            &value.repeat(256 << 10),
        )
        .await?;
    }
    siege.serves().await?;
    drop((connection, client));
    siege.end(400).await
}
