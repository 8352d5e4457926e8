use anyhow::{Context, Result, ensure};
use kv_tests::Cluster;

use super::{LAX, eventually, get, put};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_removed_member_stops_and_does_not_come_back() -> Result<()> {
    let mut cluster = Cluster::new(3, LAX)?;
    cluster.start_all().await?;
    let leader = cluster.leader().await?;
    let (gone, stays) = ((leader + 1) % 3, (leader + 2) % 3);
    let id = cluster.members[gone].id().await?;
    // Asked itself, it answers before it stops.
    cluster.remove(gone, id).await?;
    let text = cluster.members[gone].ends_well().await?;
    ensure!(
        text.contains("the member has been permanently removed from the cluster"),
        "{text}"
    );
    ensure!(cluster.members[stays].listed().await?.len() == 2);

    // With its old data.
    cluster.members[gone].start()?;
    cluster.members[gone].ends_well().await?;
    // And with none, as if it were new, under its old ID.
    std::fs::remove_dir_all(&cluster.members[gone].data_dir)?;
    cluster.members[gone].start()?;
    let text = cluster.members[gone].ends_well().await?;
    ensure!(
        text.contains("the member has been permanently removed from the cluster"),
        "{text}"
    );
    put(&cluster.members[stays], "two left", "1").await
}

/// Found by the simulation (seed 47): it knew nobody who would have told it, and waited for ever.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_member_that_is_removed_before_anybody_has_found_it_stops_too() -> Result<()> {
    let mut cluster = Cluster::new(1, LAX)?;
    cluster.start_all().await?;
    let id = cluster.add(0, "late", true).await?;
    // The others look for it elsewhere.
    let late = &mut cluster.members[1];
    let [port] = kv_tests::free_ports::<1>();
    late.args
        .push(format!("--listen-peer-urls=http://127.0.0.1:{port}"));
    late.start()?;
    let output = late.process()?.output().clone();
    eventually("it has joined", || async {
        Ok(output.text().contains("joining the cluster"))
    })
    .await?;
    cluster.remove(0, id).await?;
    let late = &mut cluster.members[1];
    late.ends_well().await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_leader_that_is_removed_hands_over_and_stops() -> Result<()> {
    let mut cluster = Cluster::new(3, LAX)?;
    cluster.start_all().await?;
    put(&cluster.members[0], "before", "1").await?;
    for left in [2, 1] {
        let leader = cluster.leader().await?;
        let id = cluster.members[leader].id().await?;
        cluster.remove(leader, id).await?;
        cluster.members[leader].ends_well().await?;
        cluster.members.remove(leader);
        cluster.leader().await?;
        ensure!(cluster.members[0].listed().await?.len() == left);
        eventually("the others write", || async {
            put(&cluster.members[0], "after", "1").await?;
            Ok(true)
        })
        .await?;
        ensure!(get(&cluster.members[0], "before", false).await?.is_some());
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_member_whose_data_are_lost_is_replaced() -> Result<()> {
    let mut cluster = Cluster::new(3, LAX)?;
    cluster.start_all().await?;
    for number in 0..50 {
        put(&cluster.members[0], &format!("k{number}"), "1").await?;
    }
    let id = cluster.members[2].id().await?;
    cluster.members[2].kill().await?;
    std::fs::remove_dir_all(&cluster.members[2].data_dir)?;

    // It must not begin anew under its old ID: it would have forgotten what it promised.
    for state in ["new", "existing"] {
        cluster.members[2]
            .args
            .push(format!("--initial-cluster-state={state}"));
        let text = cluster.members[2].refusal().await?;
        ensure!(
            text.contains(&format!("member {id:x} has already been bootstrapped")),
            "{text}"
        );
        std::fs::remove_dir_all(&cluster.members[2].data_dir)?;
    }

    cluster.remove(0, id).await?;
    cluster.members.pop();
    let new_id = cluster.add(1, "m2", false).await?;
    ensure!(new_id != id);
    let replaced = cluster.members.last_mut().context("the new one")?;
    replaced.start()?;
    replaced.ready().await?;
    ensure!(get(replaced, "k49", false).await?.is_some());
    cluster.members[0].kill().await?;
    eventually("the new one makes a quorum", || async {
        put(&cluster.members[2], "with the new one", "1").await?;
        Ok(true)
    })
    .await
}
