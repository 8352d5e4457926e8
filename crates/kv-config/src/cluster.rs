use std::collections::BTreeMap;

use kv_types::{ClusterId, MemberId};

use crate::urls::{PeerUrls, Url, join};
use crate::{ConfigError, cluster_id, member_id};

/// Whether this member makes a new cluster or joins one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClusterState {
    /// All members of `--initial-cluster` bootstrap it together.
    New,
    /// The cluster exists and has added this member.
    Existing,
}

impl ClusterState {
    pub(crate) fn parse(text: &str) -> Result<Self, ConfigError> {
        match text {
            "new" => Ok(Self::New),
            "existing" => Ok(Self::Existing),
            _ => Err(ConfigError::ClusterState { value: text.into() }),
        }
    }
}

/// One member as `--initial-cluster` names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InitialMember {
    /// Derived from its URLs and the token.
    pub id: MemberId,
    /// Its name.
    pub name: String,
    /// Its peer URLs, sorted.
    pub peer_urls: PeerUrls,
}

/// The members that bootstrap a cluster together, ascending by ID.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InitialCluster {
    /// The members; never empty.
    pub members: Vec<InitialMember>,
}

impl InitialCluster {
    /// Reads `name=url,…`: each item is split at its first `=`; a name may repeat to add a URL.
    pub(crate) fn parse(text: &str, token: &str) -> Result<Self, ConfigError> {
        let mut by_name: BTreeMap<&str, PeerUrls> = BTreeMap::new();
        for item in text.split(',').map(str::trim).filter(|item| !item.is_empty()) {
            let (name, url) = split_item(item)?;
            let url = Url::parse("initial-cluster", url).map_err(|error| ConfigError::InitialCluster {
                reason: error.to_string(),
            })?;
            by_name.entry(name).or_default().push(url);
        }
        if by_name.is_empty() {
            return Err(ConfigError::InitialCluster {
                reason: "no member given".into(),
            });
        }
        let mut all: Vec<&Url> = by_name.values().flatten().collect();
        let given = all.len();
        all.sort();
        all.dedup();
        if all.len() != given {
            return Err(ConfigError::DuplicateUrl { cluster: text.into() });
        }
        let mut members: Vec<InitialMember> = by_name
            .into_iter()
            .map(|(name, urls)| InitialMember::new(name, urls, token))
            .collect();
        members.sort_by_key(|member| member.id);
        Ok(Self { members })
    }

    /// One member alone.
    pub(crate) fn alone(name: &str, peer_urls: PeerUrls, token: &str) -> Self {
        Self {
            members: vec![InitialMember::new(name, peer_urls, token)],
        }
    }

    /// The member called `name`.
    ///
    /// # Errors
    /// [`ConfigError::NameNotInCluster`] if there is none.
    pub fn member(&self, name: &str) -> Result<&InitialMember, ConfigError> {
        self.members
            .iter()
            .find(|member| member.name == name)
            .ok_or_else(|| ConfigError::NameNotInCluster { name: name.into() })
    }

    /// The ID of the cluster these members make.
    pub fn id(&self) -> ClusterId {
        cluster_id(&self.members.iter().map(|member| member.id).collect::<Vec<_>>())
    }

    /// Checks that what `name` advertises is what the cluster was told of it.
    pub(crate) fn check_advertised(&self, name: &str, advertised: &[Url]) -> Result<(), ConfigError> {
        let member = self.member(name)?;
        if let Some(url) = member.peer_urls.iter().find(|url| !advertised.contains(url)) {
            return Err(ConfigError::NotAdvertised {
                missing: format!("{name}={url}"),
                advertised: join(advertised),
            });
        }
        match advertised.iter().find(|url| !member.peer_urls.contains(url)) {
            Some(url) => Err(ConfigError::NotInCluster {
                missing: url.to_string(),
                cluster: format!("{name}={}", join(&member.peer_urls)),
            }),
            None => Ok(()),
        }
    }
}

impl InitialMember {
    fn new(name: &str, mut peer_urls: PeerUrls, token: &str) -> Self {
        peer_urls.sort();
        let texts: Vec<String> = peer_urls.iter().map(Url::to_string).collect();
        Self {
            id: member_id(&texts, token),
            name: name.into(),
            peer_urls,
        }
    }
}

fn split_item(item: &str) -> Result<(&str, &str), ConfigError> {
    let malformed = |hint: &str| ConfigError::InitialCluster {
        reason: format!("parse {item:?}: {hint}"),
    };
    let (name, url) = item
        .split_once('=')
        .ok_or_else(|| malformed("no \"=\" between name and URL"))?;
    if name.is_empty() {
        return Err(malformed("the name is empty"));
    }
    if url
        .split_once("://")
        .is_some_and(|(scheme, _)| scheme.contains('='))
    {
        return Err(malformed(
            "first path segment in URL cannot contain colon; is there a name too many?",
        ));
    }
    Ok((name, url))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn repeated_names_add_urls() {
        let cluster = InitialCluster::parse("a=http://h:1,b=http://h:2,a=http://h:3,", "t").unwrap();
        assert_eq!(cluster.members.len(), 2);
        assert_eq!(
            join(&cluster.member("a").unwrap().peer_urls),
            "http://h:1,http://h:3"
        );
    }

    #[test]
    fn malformed_clusters_are_refused_with_a_hint() {
        for (text, hint) in [
            ("", "no member given"),
            ("a", "no \"=\""),
            ("=http://h:1", "name is empty"),
            ("master=host1=http://127.0.0.1:48380", "cannot contain colon"),
            ("a=h:1", "URL scheme must be http"),
        ] {
            let error = InitialCluster::parse(text, "t").unwrap_err().to_string();
            assert!(error.contains(hint), "{text}: {error}");
        }
        let error = InitialCluster::parse("a=http://h:1,b=http://h:1", "t").unwrap_err();
        assert_eq!(
            error,
            ConfigError::DuplicateUrl {
                cluster: "a=http://h:1,b=http://h:1".into()
            }
        );
    }

    #[test]
    fn advertised_urls_must_match_the_cluster() {
        let cluster = InitialCluster::parse("a=http://h:1", "t").unwrap();
        let other = Url::parse("f", "http://h:2").unwrap();
        let error = cluster.check_advertised("a", &[other]).unwrap_err().to_string();
        assert_eq!(
            error,
            "--initial-cluster has a=http://h:1 but missing from --initial-advertise-peer-urls=http://h:2"
        );
        let error = cluster.check_advertised("x", &[]).unwrap_err().to_string();
        assert_eq!(
            error,
            "couldn't find local name \"x\" in the initial cluster configuration (add it to --initial-cluster, or \
             correct --name)"
        );
    }
}
