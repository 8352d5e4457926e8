use anyhow::Result;
use kv_tests::{Cluster, Member};

use super::refuses;

async fn refused_with(flag: &str, parts: &[&str]) -> Result<()> {
    let mut cluster = Cluster::new(1, &[flag])?;
    let member: &mut Member = &mut cluster.members[0];
    refuses(member, parts).await?;
    assert!(!member.data_dir.exists(), "nothing is written");
    Ok(())
}

#[tokio::test]
async fn an_unknown_flag_is_named() -> Result<()> {
    refused_with(
        "--no-such-flag=1",
        &["-no-such-flag", "run 'kvd --help' for all flags"],
    )
    .await
}

#[tokio::test]
async fn a_malformed_initial_cluster_is_told_the_form() -> Result<()> {
    let expected = "expected --initial-cluster name=url[,name=url…]";
    refused_with("--initial-cluster=m0", &["m0", expected]).await?;
    refused_with("--initial-cluster=m0=not a url", &["not a url", expected]).await
}

#[tokio::test]
async fn a_name_that_is_not_in_the_initial_cluster_is_told_where_to_look() -> Result<()> {
    refused_with(
        "--name=other",
        &["\"other\"", "add it to --initial-cluster, or correct --name"],
    )
    .await
}
