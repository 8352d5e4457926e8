//! What the operating system sees of a member.

use std::fs;

use anyhow::{Context, Result, ensure};
use kv_tests::Cluster;

#[tokio::test]
async fn the_allocators_options_are_set_and_name_and_arguments_stay() -> Result<()> {
    let mut cluster = Cluster::started(1).await?;
    let member = &mut cluster.members[0];
    let pid = member.process()?.pid().context("it runs")?;
    let read = |name: &str| fs::read_to_string(format!("/proc/{pid}/{name}"));
    let environment = read("environ")?;
    let options: Vec<_> = environment
        .split('\0')
        .filter(|variable| variable.starts_with("MIMALLOC_PURGE_DELAY="))
        .collect();
    ensure!(options == ["MIMALLOC_PURGE_DELAY=10"], "{options:?}");
    ensure!(read("comm")? == "kvd\n", "it is called {}", read("comm")?);
    let arguments = read("cmdline")?;
    ensure!(
        member
            .args
            .iter()
            .all(|argument| arguments.split('\0').any(|found| found == argument)),
        "it was started with {:?} and runs with {arguments:?}",
        member.args
    );
    Ok(())
}
