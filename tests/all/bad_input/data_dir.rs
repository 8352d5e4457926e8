use std::net::TcpListener;

use anyhow::Result;
use kv_tests::Cluster;

use super::{filled, refuses, restart_and_check};

#[tokio::test]
async fn the_data_of_another_cluster_are_refused_and_kept() -> Result<()> {
    let mut cluster = filled().await?;
    let member = &mut cluster.members[0];
    member.kill().await?;
    member.args.push("--initial-cluster-token=another".into());
    refuses(
        member,
        &[
            "belongs to member",
            "choose another --data-dir, or mend --initial-cluster",
        ],
    )
    .await?;
    member.args.pop();
    restart_and_check(&mut cluster).await
}

#[tokio::test]
async fn data_of_a_newer_format_are_refused_and_kept() -> Result<()> {
    let mut cluster = filled().await?;
    let member = &mut cluster.members[0];
    member.kill().await?;
    let path = member.data_dir.join("member/identity");
    let identity = std::fs::read_to_string(&path)?;
    std::fs::write(&path, identity.replace("format 1", "format 2"))?;
    refuses(member, &["identity has format 2", "use the newer kvd"]).await?;
    std::fs::write(&path, identity)?;
    restart_and_check(&mut cluster).await
}

#[tokio::test]
async fn data_in_use_by_another_process_are_refused() -> Result<()> {
    let mut cluster = filled().await?;
    let mut other = Cluster::new(1, &[])?;
    let taken = format!("--data-dir={}", cluster.members[0].data_dir.display());
    other.members[0].args.push(taken);
    let parts = [
        "in use by another process",
        "stop that one, or choose another --data-dir",
    ];
    refuses(&mut other.members[0], &parts).await?;
    cluster.members[0].kill().await?;
    restart_and_check(&mut cluster).await
}

#[tokio::test]
async fn an_address_in_use_is_named_with_its_flag() -> Result<()> {
    let mut cluster = Cluster::new(1, &[])?;
    let member = &mut cluster.members[0];
    let url = member.client_url.clone();
    let taken = TcpListener::bind(url.trim_start_matches("http://"))?;
    let listen = format!("listen on {url}: Address already in use");
    refuses(member, &[&listen, "choose another --listen-client-urls"]).await?;
    drop(taken);
    cluster.start_all().await
}
