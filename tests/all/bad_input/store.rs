use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use kv_proto::etcdserverpb::CompactionRequest;
use kv_tests::{Cluster, Member};

use super::{files, filled_with, get, put, refuses, restart_and_check};

/// The directory of the engine's files.
fn engine(member: &Member) -> Result<PathBuf> {
    let db = member.data_dir.join("member/db");
    for entry in std::fs::read_dir(&db)? {
        let path = entry?.path();
        if path.join("metadata").is_dir() {
            return Ok(path);
        }
    }
    bail!("no database in {}", db.display())
}

/// Flips many bytes of what each of `files` holds; whether there were any.
fn damage(files: &[PathBuf]) -> Result<bool> {
    let mut damaged = false;
    for path in files {
        let mut bytes = std::fs::read(path)?;
        // Zeros are room that nothing has used yet.
        for byte in bytes.iter_mut().filter(|byte| **byte != 0).step_by(8) {
            *byte ^= 0xff;
            damaged = true;
        }
        std::fs::write(path, bytes)?;
    }
    Ok(damaged)
}

/// A member with a checkpoint on disk, killed.
async fn checkpointed() -> Result<Cluster> {
    let mut cluster = filled_with(&["--log-level=debug"]).await?;
    let member = &mut cluster.members[0];
    let revision = 50;
    let request = CompactionRequest {
        revision,
        physical: true,
    };
    member.kv()?.compact(request).await?;
    let output = member.process()?.output().clone();
    wait_for("checkpoint", || Ok(output.text().contains("checkpoint written"))).await?;
    member.kill().await?;
    Ok(cluster)
}

/// Files with objects in them.
fn blocks(engine: &Path) -> Result<Vec<PathBuf>> {
    let mut found = files(&engine.join("slabs"), "")?;
    found.retain(|path| std::fs::metadata(path).is_ok_and(|metadata| metadata.len() > 0));
    Ok(found)
}

async fn wait_for(what: &str, mut look: impl FnMut() -> Result<bool>) -> Result<()> {
    for _ in 0..1500 {
        if look()? {
            return Ok(());
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    bail!("no {what} for 30 seconds")
}

/// Starts a member with a damaged store and the whole log.
async fn is_rebuilt(cluster: &mut Cluster) -> Result<()> {
    restart_and_check(cluster).await?;
    let member = &mut cluster.members[0];
    let said = member.process()?.output().text();
    ensure!(
        said.contains("the store is damaged: set it aside, making it anew from the log"),
        "{said}"
    );
    ensure!(
        member.data_dir.join("member/db.damaged-1").is_dir(),
        "nothing is removed"
    );
    put(member, "after", "1").await?;
    member.kill().await?;
    restart_and_check(cluster).await?;
    ensure!(get(&cluster.members[0], "after").await?.is_some(), "it goes on");
    Ok(())
}

#[tokio::test]
async fn a_store_with_damaged_metadata_is_set_aside_and_made_anew_from_the_log() -> Result<()> {
    let mut cluster = checkpointed().await?;
    let metadata = engine(&cluster.members[0])?.join("metadata");
    ensure!(damage(&files(&metadata, "snapshot_")?)?, "there is a snapshot");
    is_rebuilt(&mut cluster).await
}

#[tokio::test]
async fn a_store_with_damaged_blocks_is_set_aside_and_made_anew_from_the_log() -> Result<()> {
    let mut cluster = checkpointed().await?;
    let blocks = blocks(&engine(&cluster.members[0])?)?;
    ensure!(damage(&blocks)?, "there are blocks");
    is_rebuilt(&mut cluster).await
}

#[tokio::test]
async fn a_store_without_a_file_is_set_aside_and_made_anew_from_the_log() -> Result<()> {
    let mut cluster = checkpointed().await?;
    std::fs::remove_file(engine(&cluster.members[0])?.join("durability_cookie"))?;
    is_rebuilt(&mut cluster).await
}

#[tokio::test]
async fn a_damaged_store_is_refused_and_kept_when_the_log_is_purged() -> Result<()> {
    let mut cluster = Cluster::new(1, &["--snapshot-count=10"])?;
    cluster.start_all().await?;
    let member = &mut cluster.members[0];
    let first = member.data_dir.join("member/wal/wal-0000000000000001.log");
    ensure!(first.exists(), "the first segment has this name");
    // The log keeps 64 MiB for followers that lag.
    let value = "v".repeat(1_200_000);
    for number in 0..90 {
        put(member, &format!("large/{number}"), &value).await?;
    }
    wait_for("purge", || Ok(!first.exists())).await?;
    member.kill().await?;
    let engine = engine(member)?;
    let kept: Vec<(PathBuf, Vec<u8>)> = files(&engine.join("metadata"), "snapshot_")?
        .into_iter()
        .map(|path| Ok((path.clone(), std::fs::read(path)?)))
        .collect::<Result<_>>()?;
    damage(&files(&engine.join("metadata"), "snapshot_")?)?;
    let parts = [
        "the store in",
        "is damaged",
        "cannot be made anew from the log",
        "restore the data directory",
    ];
    refuses(member, &parts).await?;
    ensure!(
        !member.data_dir.join("member/db.damaged-1").exists(),
        "it is left alone"
    );
    for (path, bytes) in kept {
        std::fs::write(path, bytes)?;
    }
    cluster.start_all().await?;
    let last = get(&cluster.members[0], "large/89").await?;
    ensure!(last.context("it is there")? == value, "it is whole");
    Ok(())
}
