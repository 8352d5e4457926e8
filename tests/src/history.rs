use std::collections::HashMap;

use anyhow::{Context, Result, ensure};
use kv_proto::etcdserverpb::RangeRequest;
use kv_proto::etcdserverpb::kv_client::KvClient;
use tonic::transport::Channel;

use crate::Acknowledged;

/// Keys read at once.
const PAGE: i64 = 2000;

/// What a member has.
#[derive(Debug, Default)]
pub struct Found {
    /// Value and mod revision of each key.
    pub keys: HashMap<String, (String, i64)>,
    /// The revision it was read at.
    pub revision: i64,
}

/// Reads everything, in pages at one revision; the first page is linearizable.
///
/// # Errors
/// If the member does not answer.
pub async fn read_all(client: &mut KvClient<Channel>) -> Result<Found> {
    let mut found = Found::default();
    let mut start = vec![0];
    loop {
        let request = RangeRequest {
            key: start.into(),
            range_end: vec![0].into(),
            limit: PAGE,
            revision: found.revision,
            ..RangeRequest::default()
        };
        let answer = client.range(request).await?.into_inner();
        if found.revision == 0 {
            found.revision = answer.header.context("a range answers with a header")?.revision;
        }
        let Some(last) = answer.kvs.last() else {
            return Ok(found);
        };
        start = [&last.key[..], &[0]].concat();
        for kv in answer.kvs {
            let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec());
            found
                .keys
                .insert(text(&kv.key)?, (text(&kv.value)?, kv.mod_revision));
        }
        if !answer.more {
            return Ok(found);
        }
    }
}

/// Checks that every acknowledged write is there at its revision, and that no transaction is torn.
///
/// # Errors
/// Names the first write that is lost, changed or torn.
pub fn check_acknowledged(found: &Found, acknowledged: &[Acknowledged]) -> Result<()> {
    for write in acknowledged {
        for key in &write.keys {
            let expected = (write.value.clone(), write.revision);
            let there = found.keys.get(key);
            ensure!(
                there == Some(&expected),
                "{key} was acknowledged as {expected:?} and is {there:?}"
            );
        }
    }
    for (key, (_, revision)) in &found.keys {
        if let Some(write) = key.strip_prefix("pair/a/") {
            let other = found
                .keys
                .get(&format!("pair/b/{write}"))
                .map(|(_, revision)| revision);
            ensure!(
                other == Some(revision),
                "{key} is at {revision}, the other of its pair at {other:?}"
            );
        }
    }
    let halves = |half: &str| found.keys.keys().filter(|key| key.starts_with(half)).count();
    ensure!(halves("pair/a/") == halves("pair/b/"), "a transaction is torn");
    Ok(())
}
