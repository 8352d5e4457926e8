//! What a member is given may be wrong, or what it has kept damaged: it says what to do, and nothing is lost.

mod data_dir;
mod flags;
mod full_disk;
mod log;
mod requests;
mod store;

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use kv_proto::etcdserverpb::{PutRequest, RangeRequest};
use kv_tests::{Cluster, Member};

async fn put(member: &Member, key: &str, value: &str) -> Result<(), tonic::Status> {
    let request = PutRequest {
        key: key.to_owned().into(),
        value: value.to_owned().into(),
        ..PutRequest::default()
    };
    let mut client = member
        .kv()
        .map_err(|error| tonic::Status::internal(error.to_string()))?;
    client.put(request).await.map(drop)
}

async fn get(member: &Member, key: &str) -> Result<Option<String>> {
    let request = RangeRequest {
        key: key.to_owned().into(),
        ..RangeRequest::default()
    };
    let found = member.kv()?.range(request).await?.into_inner();
    let value = |kv: &kv_proto::mvccpb::KeyValue| String::from_utf8(kv.value.to_vec());
    Ok(found.kvs.first().map(value).transpose()?)
}

/// A member that serves, with a hundred keys.
async fn filled() -> Result<Cluster> {
    filled_with(&[]).await
}

/// As [`filled`], with more flags.
async fn filled_with(flags: &[&str]) -> Result<Cluster> {
    let mut cluster = Cluster::new(1, flags)?;
    cluster.start_all().await?;
    for number in 0..100 {
        put(&cluster.members[0], &format!("key/{number}"), &number.to_string()).await?;
    }
    Ok(cluster)
}

/// Starts the member and checks that it has the keys of [`filled`].
async fn restart_and_check(cluster: &mut Cluster) -> Result<()> {
    cluster.start_all().await?;
    for number in 0..100 {
        let value = get(&cluster.members[0], &format!("key/{number}")).await?;
        ensure!(
            value == Some(number.to_string()),
            "key/{number} is {value:?} after the restart"
        );
    }
    Ok(())
}

/// Starts the member, which must refuse with a text that has all `parts`.
async fn refuses(member: &mut Member, parts: &[&str]) -> Result<()> {
    let text = member.refusal().await?;
    for part in parts {
        ensure!(text.contains(part), "{part:?} is not in:\n{text}");
    }
    Ok(())
}

/// Files directly in `dir` whose names begin with `prefix`, in order.
fn files(dir: &Path, prefix: &str) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(dir).with_context(|| dir.display().to_string())? {
        let entry = entry?;
        if entry.file_type()?.is_file() && entry.file_name().to_string_lossy().starts_with(prefix) {
            found.push(entry.path());
        }
    }
    found.sort();
    Ok(found)
}

/// Flips all bits of the byte of a file that `choose` finds.
fn flip(path: &Path, choose: impl FnOnce(&[u8]) -> usize) -> Result<usize> {
    let mut bytes = std::fs::read(path)?;
    let at = choose(&bytes);
    bytes[at] ^= 0xff;
    std::fs::write(path, bytes)?;
    Ok(at)
}
