use std::path::PathBuf;

use anyhow::{Context, Result, ensure};
use kv_tests::Member;

use super::{files, filled, flip, get, put, refuses, restart_and_check};

fn segments(member: &Member) -> Result<Vec<PathBuf>> {
    files(&member.data_dir.join("member/wal"), "wal-")
}

fn last_segment(member: &Member) -> Result<PathBuf> {
    segments(member)?.pop().context("a log has a segment")
}

/// Where what was written ends; zeros follow.
fn end(bytes: &[u8]) -> usize {
    bytes
        .iter()
        .rposition(|byte| *byte != 0)
        .map_or(0, |last| last + 1)
}

/// A byte in the middle of what was written; the padding between records is of zeros.
fn middle(bytes: &[u8]) -> usize {
    let half = end(bytes) / 2;
    let written = bytes[half..].iter().position(|byte| *byte != 0);
    half + written.unwrap_or(0)
}

#[tokio::test]
async fn an_unfinished_write_at_the_end_of_the_log_is_removed_and_said() -> Result<()> {
    let mut cluster = filled().await?;
    let member = &mut cluster.members[0];
    put(member, "unfinished", &"v".repeat(3000)).await?;
    member.kill().await?;
    let path = last_segment(member)?;
    let mut bytes = std::fs::read(&path)?;
    let value = bytes
        .windows(3000)
        .position(|part| part.iter().all(|byte| *byte == b'v'));
    bytes[value.context("it was written")? + 1000..].fill(0);
    std::fs::write(&path, bytes)?;
    restart_and_check(&mut cluster).await?;
    let said = cluster.members[0].process()?.output().text();
    ensure!(
        said.contains("removed an unfinished write from the end of the log"),
        "{said}"
    );
    ensure!(said.contains(&path.display().to_string()), "{said}");
    ensure!(
        get(&cluster.members[0], "unfinished").await?.is_none(),
        "it was not finished"
    );

    // What was repaired stays so.
    cluster.members[0].kill().await?;
    restart_and_check(&mut cluster).await?;
    let said = cluster.members[0].process()?.output().text();
    ensure!(!said.contains("removed an unfinished write"), "{said}");
    Ok(())
}

#[tokio::test]
async fn a_damaged_record_in_the_log_is_refused_by_file_and_offset() -> Result<()> {
    let mut cluster = filled().await?;
    let member = &mut cluster.members[0];
    member.kill().await?;
    let path = last_segment(member)?;
    let flipped = flip(&path, middle)?;
    let damaged = std::fs::read(&path)?;
    let text = member.refusal().await?;
    let named = format!("log segment {} is damaged at offset ", path.display());
    let (_, after) = text.split_once(&named).with_context(|| text.clone())?;
    let offset: usize = after.split(':').next().context("an offset")?.parse()?;
    ensure!(
        (flipped - 4096..=flipped).contains(&offset),
        "{flipped} was damaged, not {offset}"
    );
    ensure!(
        text.contains("restore the data directory from a backup"),
        "{text}"
    );
    ensure!(std::fs::read(&path)? == damaged, "it is left as it is");
    flip(&path, |_| flipped)?;
    restart_and_check(&mut cluster).await
}

#[tokio::test]
async fn a_shortened_log_is_refused_by_file_and_offset() -> Result<()> {
    let mut cluster = filled().await?;
    let member = &mut cluster.members[0];
    member.kill().await?;
    let path = last_segment(member)?;
    let bytes = std::fs::read(&path)?;
    let half = end(&bytes) / 2;
    std::fs::write(&path, &bytes[..half])?;
    let named = format!("log segment {} is damaged at offset {half}", path.display());
    refuses(member, &[&named, "restore the data directory from a backup"]).await?;
    std::fs::write(&path, bytes)?;
    restart_and_check(&mut cluster).await
}

#[tokio::test]
async fn a_lost_log_is_refused_and_not_begun_anew() -> Result<()> {
    let mut cluster = filled().await?;
    let member = &mut cluster.members[0];
    member.kill().await?;
    let wal = member.data_dir.join("member/wal");
    let kept = member.data_dir.join("kept");
    std::fs::rename(&wal, &kept)?;
    for _ in 0..2 {
        refuses(
            member,
            &["the log in", "is missing", "restore the data directory"],
        )
        .await?;
    }
    std::fs::remove_dir_all(&wal)?;
    std::fs::rename(&kept, &wal)?;
    restart_and_check(&mut cluster).await
}
