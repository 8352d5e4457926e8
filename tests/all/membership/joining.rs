use anyhow::{Result, ensure};
use kv_tests::Cluster;

use super::get;

#[tokio::test]
async fn who_does_not_fit_the_cluster_is_refused_in_etcds_words() -> Result<()> {
    let mut cluster = Cluster::started(1).await?;
    let first = format!("m0={}", cluster.members[0].peer_url);
    let join = |name: &str, url: &str, others: &str| {
        let mut member = cluster.prepare(name, url, &format!("{others}{name}={url}"));
        member.args.push("--initial-cluster-state=existing".into());
        member
    };
    let [port] = kv_tests::free_ports::<1>();
    let url = format!("http://127.0.0.1:{port}");

    // Nobody has added it.
    let text = join("a", &url, &format!("{first},")).refusal().await?;
    ensure!(
        text.contains("error validating peerURLs {ClusterID:") && text.contains("}: member count is unequal"),
        "{text}"
    );
    let text = join("b", &url, "").refusal().await?;
    let nobody = "cannot fetch cluster info from peer urls: could not retrieve cluster information from the given URLs";
    ensure!(text.contains(nobody), "{text}");
    let [nobody_there] = kv_tests::free_ports::<1>();
    let text = join("c", &url, &format!("x=http://127.0.0.1:{nobody_there},"))
        .refusal()
        .await?;
    ensure!(text.contains(nobody), "{text}");

    // It was added under another URL.
    cluster.add(0, "d", false).await?;
    let mut elsewhere = cluster.prepare("d2", &url, &format!("{first},d2={url}"));
    elsewhere.args.push("--initial-cluster-state=existing".into());
    let text = elsewhere.refusal().await?;
    ensure!(
        text.contains("PeerURLs: no match found for existing member ("),
        "{text}"
    );

    // As it was told, it comes in.
    cluster.members[1].start()?;
    cluster.members[1].ready().await?;
    get(&cluster.members[1], "a", false).await?;
    Ok(())
}
