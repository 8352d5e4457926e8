use anyhow::{Result, ensure};
use tokio::net::TcpStream;

use super::siege::Siege;
use super::wire::{CONTINUATION, HEADERS, PREFACE, call_headers, ended, frame, hello, send};

async fn connections(siege: &Siege, count: usize, bytes: &[u8]) -> Result<Vec<TcpStream>> {
    let mut connections = Vec::new();
    for _ in 0..count {
        let mut connection = TcpStream::connect(siege.address()).await?;
        ensure!(send(&mut connection, bytes).await?, "it was refused");
        connections.push(connection);
    }
    Ok(connections)
}

#[tokio::test]
async fn connections_that_never_begin_are_ended_and_those_that_are_idle_are_not() -> Result<()> {
    let siege = Siege::begin(&[]).await?;
    let mut halves = Vec::new();
    for half in [&b""[..], &PREFACE[..10], PREFACE, b"GET /health HTT"] {
        halves.extend(connections(&siege, 100, half).await?);
    }
    // A request whose headers never end is the client's to finish.
    let mut unfinished = hello(0);
    frame(
        &mut unfinished,
        HEADERS,
        0,
        1,
        &call_headers("/etcdserverpb.KV/Put"),
    );
    let unfinished = connections(&siege, 100, &unfinished).await?;
    let idle = connections(&siege, 1, &hello(65_535)).await?;
    siege.serves().await?;
    for mut half in halves {
        ended(&mut half).await?;
    }
    for mut idle in idle {
        ensure!(
            send(&mut idle, &[]).await? && idle.peek(&mut [0]).await? > 0,
            "it was ended"
        );
    }
    drop(unfinished);
    siege.end(200).await
}

#[tokio::test]
async fn more_connections_than_descriptors_leave_the_member_its_files() -> Result<()> {
    let mut siege = Siege::begin(&[]).await?;
    siege.cluster.members[0].kill().await?;
    let limited = ["prlimit", "--nofile=400:400", "--"].map(str::to_owned);
    siege.cluster.members[0].start_by(&limited)?;
    siege.cluster.members[0].ready().await?;
    // Its connection stays, whatever comes.
    let mut client = siege.cluster.members[0].kv()?;
    super::siege::put(&mut client, "a", "1").await?;
    let mut idle = connections(&siege, 250, b"").await?;
    for number in 0..50 {
        super::siege::put(&mut client, &number.to_string(), &"v".repeat(1 << 20)).await?;
    }
    for mut idle in idle.drain(..) {
        ended(&mut idle).await?;
    }
    siege.serves().await
}

#[tokio::test]
async fn metadata_without_bounds_ends_the_connection() -> Result<()> {
    let siege = Siege::begin(&[]).await?;
    for _ in 0..10 {
        let mut connection = TcpStream::connect(siege.address()).await?;
        let mut bytes = hello(0);
        frame(&mut bytes, HEADERS, 0, 1, &call_headers("/etcdserverpb.KV/Put"));
        ensure!(send(&mut connection, &bytes).await?, "it was refused");
        // A header of 100 bytes, again and again.
        let header = [b"\x00\x01x\x62", &[b'v'; 98][..]].concat();
        let mut more = Vec::new();
        frame(&mut more, CONTINUATION, 0, 1, &header.repeat(100));
        let mut taken = 0;
        while send(&mut connection, &more).await? {
            taken += 1;
            ensure!(taken < 1000, "10 MB of metadata were taken");
        }
    }
    siege.end(200).await
}

#[tokio::test]
async fn garbage_on_the_port_of_peers_does_no_harm() -> Result<()> {
    let siege = Siege::begin(&[]).await?;
    let flag = siege.cluster.members[0].args.iter();
    let url = flag
        .filter_map(|arg| arg.strip_prefix("--listen-peer-urls=http://"))
        .next();
    let address = url.expect("every member has one").to_owned();
    let mut random = kv_tests::Random::new(3);
    let garbage: Vec<u8> = (0..50_000).map(|_| random.draw().to_le_bytes()[0]).collect();
    for bytes in [
        garbage.clone(),
        [PREFACE, &garbage[..]].concat(),
        b"GET\0/ HTTP/9\r\n\r\n".to_vec(),
    ] {
        let mut connection = TcpStream::connect(&address).await?;
        send(&mut connection, &bytes).await?;
        ended(&mut connection).await?;
    }
    siege.end(200).await
}
