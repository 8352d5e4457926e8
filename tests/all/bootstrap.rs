//! Members that are started at the same moment, each with the whole list.

use std::collections::HashSet;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use kv_proto::etcdserverpb::cluster_client::ClusterClient;
use kv_proto::etcdserverpb::{MemberListRequest, PutRequest};
use kv_tests::{Cluster, Member, read_all};
use tonic::Code;

/// Each begins with nothing.
const CLUSTERS: usize = 10;

/// Writes through each member while leadership may not be settled yet.
const WRITES: usize = 30;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn members_started_together_make_one_cluster_and_lose_nothing() -> Result<()> {
    for number in 0..CLUSTERS {
        start_together()
            .await
            .with_context(|| format!("cluster {number}"))?;
    }
    Ok(())
}

async fn start_together() -> Result<()> {
    let mut cluster = Cluster::new(3, &[])?;
    for member in &mut cluster.members {
        member.start()?;
    }
    let writes = cluster
        .members
        .iter()
        .map(|member| write(member.kv(), member.name.clone()));
    let writes: Vec<_> = writes.map(tokio::spawn).collect();
    for member in &mut cluster.members {
        member.ready().await?;
    }
    let mut acknowledged = Vec::new();
    for write in writes {
        acknowledged.extend(write.await??);
    }
    let mut seen = HashSet::new();
    for member in &cluster.members {
        let found = read_all(&mut member.kv()?).await?;
        for key in &acknowledged {
            ensure!(
                found.keys.contains_key(key),
                "{key} was acknowledged, {} has it not",
                member.name
            );
        }
        seen.insert(view(member).await?);
    }
    ensure!(seen.len() == 1, "members see different clusters: {seen:?}");
    Ok(())
}

/// Writes from the moment that the member listens; the keys acknowledged. Errors must be those that clients retry.
async fn write(
    client: Result<kv_proto::etcdserverpb::kv_client::KvClient<tonic::transport::Channel>>,
    name: String,
) -> Result<Vec<String>> {
    let mut client = client?;
    let mut acknowledged = Vec::new();
    for number in 0.. {
        let key = format!("{name}/{number}");
        let request = PutRequest {
            key: key.clone().into(),
            ..PutRequest::default()
        };
        match client.put(request).await {
            Ok(_) => acknowledged.push(key),
            Err(error) => {
                ensure!(error.code() == Code::Unavailable, "{error}");
                ensure!(number < 5000, "no write taken: {error}");
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        }
        if acknowledged.len() == WRITES {
            break;
        }
    }
    Ok(acknowledged)
}

/// The cluster, and the members in it, as a member sees them.
async fn view(member: &Member) -> Result<(u64, Vec<(u64, String)>)> {
    let request = MemberListRequest { linearizable: true };
    let list = ClusterClient::new(member.channel()?)
        .member_list(request)
        .await?
        .into_inner();
    let mut members: Vec<_> = list
        .members
        .into_iter()
        .map(|member| (member.id, member.name))
        .collect();
    members.sort();
    ensure!(members.len() == 3, "{members:?}");
    Ok((list.header.context("a header")?.cluster_id, members))
}
