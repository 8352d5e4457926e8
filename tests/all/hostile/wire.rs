//! HTTP/2, byte by byte.

use std::time::Duration;

use anyhow::{Context, Result};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

pub(crate) const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

pub(crate) const DATA: u8 = 0;
pub(crate) const HEADERS: u8 = 1;
pub(crate) const RST_STREAM: u8 = 3;
pub(crate) const SETTINGS: u8 = 4;
pub(crate) const PING: u8 = 6;
pub(crate) const CONTINUATION: u8 = 9;

pub(crate) const END_STREAM: u8 = 1;
pub(crate) const END_HEADERS: u8 = 4;

/// How long a member may take to do what a test waits for.
const PATIENCE: Duration = Duration::from_secs(60);

/// Appends a frame.
pub(crate) fn frame(out: &mut Vec<u8>, kind: u8, flags: u8, stream: u32, payload: &[u8]) {
    let [_, length @ ..] = u32::try_from(payload.len())
        .expect("frames are short")
        .to_be_bytes();
    out.extend(length);
    out.extend([kind, flags]);
    out.extend(stream.to_be_bytes());
    out.extend(payload);
}

/// The preface and settings: the client takes no byte of any answer if its window is 0.
pub(crate) fn hello(window: u32) -> Vec<u8> {
    let mut out = PREFACE.to_vec();
    let [a, b, c, d] = window.to_be_bytes();
    frame(&mut out, SETTINGS, 0, 0, &[0, 4, a, b, c, d]);
    out
}

/// The headers of a gRPC call, without any compression.
pub(crate) fn call_headers(path: &str) -> Vec<u8> {
    // POST and http are in HTTP/2's table.
    let mut block = vec![0x83, 0x86];
    let named = |block: &mut Vec<u8>, name: &[u8], value: &str| {
        block.extend(name);
        block.push(u8::try_from(value.len()).expect("headers are short"));
        block.extend(value.as_bytes());
    };
    named(&mut block, &[0x04], path);
    named(&mut block, &[0x01], "localhost");
    named(&mut block, &[0x0f, 0x10], "application/grpc");
    named(&mut block, b"\x00\x02te", "trailers");
    block
}

/// A message as gRPC frames it.
pub(crate) fn message(message: &impl prost::Message) -> Vec<u8> {
    let bytes = message.encode_to_vec();
    let length = u32::try_from(bytes.len())
        .expect("messages are short")
        .to_be_bytes();
    [&[0], &length[..], &bytes].concat()
}

/// Appends a whole call with one message.
pub(crate) fn call(out: &mut Vec<u8>, stream: u32, path: &str, request: &impl prost::Message) {
    frame(out, HEADERS, END_HEADERS, stream, &call_headers(path));
    frame(out, DATA, END_STREAM, stream, &message(request));
}

/// Sends bytes; whether the member took them all rather than ending the connection.
pub(crate) async fn send(connection: &mut TcpStream, bytes: &[u8]) -> Result<bool> {
    let sent = tokio::time::timeout(PATIENCE, connection.write_all(bytes)).await;
    Ok(sent
        .context("the member takes nothing any more, and does not end the connection")?
        .is_ok())
}

/// Sends bytes for as long as the member takes them, which is no longer than it finds a second.
pub(crate) async fn send_what_is_taken(connection: &mut TcpStream, bytes: &[u8]) {
    let _ = tokio::time::timeout(Duration::from_secs(1), connection.write_all(bytes)).await;
}

/// Waits until the member ends the connection; what it sent.
pub(crate) async fn ended(connection: &mut TcpStream) -> Result<Vec<u8>> {
    let mut received = Vec::new();
    let read = tokio::time::timeout(PATIENCE, connection.read_to_end(&mut received)).await;
    // It may be reset, too.
    let _ = read.context("the member does not end the connection")?;
    Ok(received)
}
