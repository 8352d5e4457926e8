//! How a member without data finds its cluster, or finds that it should have data.
//!
//! Follows etcd `server/etcdserver/bootstrap.go` and `cluster_util.go`.

use std::time::Duration;

use kv_config::{Config, Url};
use kv_types::{ClusterId, MemberId};

use crate::data_dir::Identity;
use crate::error::StartError;
use crate::peers::MemberPage;

mod ask;
mod urls;

/// How long a member may take to answer.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(1);

/// How often a member that waits to be found asks whether it still is one.
const ASK_INTERVAL: Duration = Duration::from_secs(1);

/// A cluster as one of its members describes it.
#[derive(Debug)]
struct Cluster {
    id: ClusterId,
    members: Vec<MemberPage>,
    /// Who was a member once.
    removed: Vec<MemberId>,
    /// Where that member was reached.
    url: String,
    is_kvd: bool,
}

/// Who this member is in the cluster that `--initial-cluster` describes, by what the others say.
pub(crate) async fn identity(config: &Config) -> Result<Identity, StartError> {
    let timeout = ANSWER_TIMEOUT + config.election_timeout;
    let mut reasons = String::new();
    for url in other_urls(config) {
        match ask::cluster(url, timeout).await {
            Ok(cluster) if cluster.members.is_empty() => {}
            Ok(cluster) if !cluster.is_kvd => return Err(StartError::NotKvd { url: cluster.url }),
            Ok(cluster) => return find_own(config, &cluster).await,
            Err(reason) => reasons = format!("{reasons}; {url}: {reason}"),
        }
    }
    Err(StartError::NoCluster { reasons })
}

/// Sees that a member which is to begin a new cluster has not done so before, as far as the others can tell: it would
/// have forgotten what it promised them.
pub(crate) async fn check_new(config: &Config, member: MemberId) -> Result<(), StartError> {
    // All start at the same time as a rule, and then nobody answers yet.
    for url in other_urls(config) {
        let Ok(cluster) = ask::cluster(url, ANSWER_TIMEOUT).await else {
            continue;
        };
        let known = cluster.members.iter().find(|known| known.id == member.get());
        return match known {
            Some(known) if !known.client_urls.is_empty() => Err(StartError::AlreadyBootstrapped { member }),
            _ => Ok(()),
        };
    }
    Ok(())
}

/// Returns once one of the others says that this member was removed: one that was so before a leader has found it
/// knows nobody else who would tell it.
pub(crate) async fn removed(config: &Config, identity: Identity) {
    loop {
        tokio::time::sleep(ASK_INTERVAL).await;
        for url in other_urls(config) {
            let told = ask::cluster(url, ANSWER_TIMEOUT).await;
            let gone = |cluster: Cluster| {
                cluster.id == identity.cluster && cluster.removed.contains(&identity.member)
            };
            if told.is_ok_and(gone) {
                return;
            }
        }
    }
}

/// The peer URLs of the other members, sorted.
fn other_urls(config: &Config) -> Vec<&Url> {
    let members = config.initial_cluster.members.iter();
    let others = members.filter(|member| member.name != config.name);
    let mut urls: Vec<&Url> = others.flat_map(|member| &member.peer_urls).collect();
    urls.sort();
    urls
}

async fn find_own(config: &Config, cluster: &Cluster) -> Result<Identity, StartError> {
    let local = &config.initial_cluster.members;
    let mismatch = |reason: String, advice| StartError::OtherMembers {
        cluster: describe(cluster),
        reason,
        advice,
    };
    if local.len() != cluster.members.len() {
        let advice = "; was the member added to the cluster, and does --initial-cluster name all members?";
        return Err(mismatch("member count is unequal".into(), advice));
    }
    let mut own = None;
    for member in &cluster.members {
        let mut reason = String::new();
        let mut found = false;
        for named in local {
            let texts: Vec<String> = named.peer_urls.iter().map(Url::to_string).collect();
            match urls::compare(&member.peer_urls, &texts).await {
                Ok(()) => {
                    found = true;
                    if named.name == config.name {
                        own = Some(member);
                    }
                    break;
                }
                Err(difference) => reason = difference,
            }
        }
        if !found {
            let (id, urls) = (MemberId::new(member.id), member.peer_urls.join(" "));
            let reason = format!(
                "PeerURLs: no match found for existing member ({id}, [{urls}]), last resolver error ({reason})"
            );
            return Err(mismatch(reason, ""));
        }
    }
    let own = own.ok_or_else(|| mismatch("two members have the URLs of this one".into(), ""))?;
    let member = MemberId::new(own.id);
    if !own.name.is_empty() {
        return Err(StartError::AlreadyBootstrapped { member });
    }
    tracing::info!(member_id = %member, cluster_id = %cluster.id, url = cluster.url, "joining the cluster");
    Ok(Identity {
        member,
        cluster: cluster.id,
        joined: true,
    })
}

/// As etcd prints a cluster.
fn describe(cluster: &Cluster) -> String {
    let members = cluster.members.iter().map(|member| {
        format!(
            "&{{ID:{} RaftAttributes:{{PeerURLs:[{}] IsLearner:{}}} Attributes:{{Name:{} ClientURLs:[{}]}}}}",
            MemberId::new(member.id),
            member.peer_urls.join(" "),
            member.learner,
            member.name,
            member.client_urls.join(" ")
        )
    });
    format!(
        "{{ClusterID:{} Members:[{}] RemovedMemberIDs:[{}]}}",
        cluster.id,
        members.collect::<Vec<_>>().join(" "),
        cluster
            .removed
            .iter()
            .map(MemberId::to_string)
            .collect::<Vec<_>>()
            .join(" ")
    )
}

#[cfg(test)]
mod tests;
