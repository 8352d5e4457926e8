use anyhow::Result;
use kv_proto::etcdserverpb::PutRequest;
use tokio::net::TcpStream;

use super::siege::Siege;
use super::wire::{
    DATA, END_HEADERS, END_STREAM, HEADERS, PING, RST_STREAM, SETTINGS, call_headers, frame, hello, message,
    send, send_what_is_taken,
};

const PUT: &str = "/etcdserverpb.KV/Put";

#[tokio::test]
async fn streams_that_are_reset_as_soon_as_they_are_opened_cost_nothing() -> Result<()> {
    let siege = Siege::begin(&[]).await?;
    for with_request in [false, true] {
        let mut connection = TcpStream::connect(siege.address()).await?;
        send(&mut connection, &hello(0)).await?;
        let request = PutRequest {
            key: "reset".into(),
            value: vec![7; 1000].into(),
            ..PutRequest::default()
        };
        for stream in (1..200_000).step_by(2) {
            let mut bytes = Vec::new();
            frame(&mut bytes, HEADERS, END_HEADERS, stream, &call_headers(PUT));
            if with_request {
                frame(&mut bytes, DATA, END_STREAM, stream, &message(&request));
            }
            frame(&mut bytes, RST_STREAM, 0, stream, &8_u32.to_be_bytes());
            if !send(&mut connection, &bytes).await? {
                break;
            }
        }
        siege.serves().await?;
    }
    siege.end(300).await
}

#[tokio::test]
async fn pings_and_settings_without_end_are_not_kept() -> Result<()> {
    let siege = Siege::begin(&[]).await?;
    for (kind, payload) in [(PING, &[7; 8][..]), (SETTINGS, &[0, 4, 0, 0, 0, 0])] {
        let mut connection = TcpStream::connect(siege.address()).await?;
        send(&mut connection, &hello(0)).await?;
        let mut flood = Vec::new();
        for _ in 0..100_000 {
            frame(&mut flood, kind, 0, 0, payload);
        }
        // Nothing is read of what comes back.
        for _ in 0..10 {
            send_what_is_taken(&mut connection, &flood).await;
        }
        siege.serves().await?;
    }
    siege.end(200).await
}

#[tokio::test]
async fn a_thousand_streams_of_one_connection_that_go_on_for_ever_are_served_beside_others() -> Result<()> {
    let siege = Siege::begin(&[]).await?;
    let mut connection = TcpStream::connect(siege.address()).await?;
    send(&mut connection, &hello(0)).await?;
    for stream in (1..2000).step_by(2) {
        let mut bytes = Vec::new();
        frame(
            &mut bytes,
            HEADERS,
            END_HEADERS,
            stream,
            &call_headers("/etcdserverpb.Watch/Watch"),
        );
        send(&mut connection, &bytes).await?;
    }
    siege.serves().await?;
    drop(connection);
    siege.end(200).await
}
