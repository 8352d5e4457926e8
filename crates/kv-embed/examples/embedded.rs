//! A member inside another program, used without a socket: `cargo run -p kv-embed --example embedded`.

use kv_embed::{Config, Member, Options};
use kv_proto::etcdserverpb::kv_client::KvClient;
use kv_proto::etcdserverpb::{PutRequest, RangeRequest};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let data = tempfile::tempdir()?;
    let options = Options {
        data_dir: Some(data.path().display().to_string()),
        // Any free port: this program does not use them.
        listen_client_urls: Some("http://127.0.0.1:0".into()),
        advertise_client_urls: Some("http://127.0.0.1:2379".into()),
        listen_peer_urls: "http://127.0.0.1:0".into(),
        ..Options::default()
    };
    let member = Member::start(Config::from_options(&options)?).await?;

    // The generated client takes the member itself in place of a channel.
    let mut client = KvClient::new(member.service());
    let put = PutRequest {
        key: "greeting".into(),
        value: "hello".into(),
        ..PutRequest::default()
    };
    client.put(put).await?;
    let range = RangeRequest {
        key: "greeting".into(),
        ..RangeRequest::default()
    };
    let answer = client.range(range).await?.into_inner();
    println!("{answer:?}");
    assert_eq!(answer.kvs.first().map(|kv| &kv.value[..]), Some(&b"hello"[..]));

    member.shutdown().await;
    Ok(())
}
