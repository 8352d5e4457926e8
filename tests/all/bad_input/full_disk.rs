use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use kv_tests::{Cluster, Member, Process};
use tonic::Code;

use super::{get, put};

/// A disk that holds the first segments of the log, and no more.
const DISK_MIB: usize = 160;

/// What others have written to it.
const OTHERS_MIB: usize = 90;

const VALUE_BYTES: usize = 1 << 20;

/// A disk of its own, in memory, that only processes [inside](SmallDisk::command) see.
struct SmallDisk {
    /// Keeps it mounted.
    holder: Process,
    /// How the namespace is entered, after the PID.
    entrance: Vec<String>,
}

impl SmallDisk {
    /// One mounted over `dir`; `None` if the system does not allow it, which a run of CI must.
    async fn mount(dir: &Path) -> Result<Option<Self>> {
        std::fs::create_dir(dir)?;
        let script = "mount -t tmpfs -o size=\"$1\"m tmpfs \"$2\" && echo ready to serve client requests && exec sleep 600";
        let mounted = [
            "sh",
            "-c",
            script,
            "sh",
            &DISK_MIB.to_string(),
            &dir.display().to_string(),
        ];
        let attempts: [(&[&str], &[&str]); 2] = [
            (&["--mount"], &["--mount"]),
            (
                &["--mount", "--map-root-user"],
                &["--mount", "--user", "--preserve-credentials"],
            ),
        ];
        for (unshare, enter) in attempts {
            let args: Vec<String> = unshare.iter().chain(&mounted).map(ToString::to_string).collect();
            let mut holder = Process::start(Path::new("unshare"), &args)?;
            if holder.ready(Duration::from_secs(5)).await.is_ok() {
                let entrance = enter.iter().map(ToString::to_string).collect();
                return Ok(Some(Self { holder, entrance }));
            }
        }
        ensure!(
            std::env::var("CI").is_err(),
            "this machine lets nobody mount a disk in memory (unshare --mount): the full disk is not tested"
        );
        println!("skipped: unshare --mount is not allowed here");
        Ok(None)
    }

    fn pid(&self) -> Result<u32> {
        self.holder.pid().context("the disk is mounted")
    }

    /// What runs a program inside.
    fn command(&self) -> Result<Vec<String>> {
        let mut command = vec!["nsenter".to_owned(), format!("--target={}", self.pid()?)];
        command.extend(self.entrance.iter().cloned());
        Ok(command)
    }

    /// A file on it, as it is seen from outside.
    fn file(&self, path: &Path) -> Result<PathBuf> {
        Ok(PathBuf::from(format!(
            "/proc/{}/root{}",
            self.pid()?,
            path.display()
        )))
    }
}

/// Writes until the full disk is noticed; the keys that were acknowledged.
async fn fill(member: &Member) -> Result<Vec<String>> {
    let value = "v".repeat(VALUE_BYTES);
    let mut acknowledged = Vec::new();
    for number in 0..2 * DISK_MIB {
        let key = format!("fill/{number}");
        match put(member, &key, &value).await {
            Ok(()) => acknowledged.push(key),
            Err(error) if error.code() == Code::ResourceExhausted => {
                ensure!(
                    error.message() == "etcdserver: mvcc: database space exceeded",
                    "{error}"
                );
                return Ok(acknowledged);
            }
            // Taken by the log before it knew.
            Err(error) if error.message().contains("request timed out") => {}
            Err(error) => return Err(error.into()),
        }
    }
    bail!("the disk does not fill")
}

async fn put_again(member: &Member, key: &str) -> Result<()> {
    for _ in 0..300 {
        if put(member, key, "1").await.is_ok() {
            return Ok(());
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    bail!("no writes for 30 seconds although there is space")
}

#[tokio::test]
async fn a_full_disk_refuses_writes_serves_reads_and_recovers() -> Result<()> {
    let mut cluster = Cluster::new(1, &[])?;
    let member = &mut cluster.members[0];
    let Some(disk) = SmallDisk::mount(&member.data_dir).await? else {
        return Ok(());
    };
    let others = disk.file(&member.data_dir.join("others"))?;
    std::fs::write(&others, vec![1; OTHERS_MIB << 20])?;
    member.start_by(&disk.command()?)?;
    member.ready().await?;

    let acknowledged = fill(member).await?;
    ensure!(!acknowledged.is_empty(), "there was some space");
    let refused = put(member, "refused", "1").await.err().context("it was taken")?;
    ensure!(refused.code() == Code::ResourceExhausted, "{refused}");
    for key in &acknowledged {
        ensure!(
            get(member, key)
                .await?
                .is_some_and(|value| value.len() == VALUE_BYTES),
            "{key}"
        );
    }

    std::fs::remove_file(others)?;
    put_again(member, "after").await?;
    member.kill().await?;
    member.start_by(&disk.command()?)?;
    member.ready().await?;
    for key in acknowledged.iter().map(String::as_str).chain(["after"]) {
        ensure!(get(member, key).await?.is_some(), "{key} is lost");
    }
    Ok(())
}
