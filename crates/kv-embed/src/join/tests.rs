use kv_config::Options;

use super::*;

fn config(initial_cluster: &str) -> Config {
    let options = Options {
        name: "c".into(),
        initial_cluster: Some(initial_cluster.into()),
        initial_cluster_state: "existing".into(),
        ..Options::default()
    };
    Config::from_options(&options).unwrap()
}

fn member(id: u64, name: &str, url: &str) -> MemberPage {
    MemberPage {
        id,
        name: name.into(),
        peer_urls: vec![url.into()],
        client_urls: if name.is_empty() {
            vec![]
        } else {
            vec!["http://c:1".into()]
        },
        learner: false,
    }
}

fn cluster(third: Option<MemberPage>) -> Cluster {
    let members = [
        member(0xa, "a", "http://127.0.0.1:1"),
        member(0xb, "b", "http://127.0.0.1:2"),
    ];
    Cluster {
        id: ClusterId::new(0xc1),
        members: members.into_iter().chain(third).collect(),
        removed: vec![MemberId::new(0xd), MemberId::new(0xe)],
        url: "http://127.0.0.1:1".into(),
        is_kvd: true,
    }
}

const ALL: &str = "a=http://127.0.0.1:1,b=http://127.0.0.1:2,c=http://127.0.0.1:3";

async fn refusal(cluster: Cluster) -> String {
    find_own(&config(ALL), &cluster).await.unwrap_err().to_string()
}

#[tokio::test]
async fn a_member_takes_the_ids_that_the_cluster_gave_it() {
    let added = cluster(Some(member(0xc, "", "http://127.0.0.1:3")));
    let identity = find_own(&config(ALL), &added).await.unwrap();
    assert_eq!(
        identity,
        Identity {
            member: MemberId::new(0xc),
            cluster: ClusterId::new(0xc1),
            joined: true,
        }
    );
}

#[tokio::test]
async fn a_cluster_that_does_not_fit_is_refused_in_etcds_words() {
    let error = refusal(cluster(None)).await;
    assert!(
        error.starts_with(
            "error validating peerURLs {ClusterID:c1 Members:[&{ID:a RaftAttributes:{PeerURLs:[http://127.0.0.1:1] \
             IsLearner:false} Attributes:{Name:a ClientURLs:[http://c:1]}} &{ID:b "
        ) && error.contains(" RemovedMemberIDs:[d e]}: member count is unequal"),
        "{error}"
    );
    let error = refusal(cluster(Some(member(0xc, "", "http://127.0.0.1:4")))).await;
    assert!(
        // Compared last is the member with the greatest ID.
        error.ends_with(
            "PeerURLs: no match found for existing member (c, [http://127.0.0.1:4]), last resolver error \
             (\"http://127.0.0.1:4\"(resolved from \"http://127.0.0.1:4\") != \
             \"http://127.0.0.1:1\"(resolved from \"http://127.0.0.1:1\"))"
        ),
        "{error}"
    );
}

#[tokio::test]
async fn a_member_that_has_run_before_does_not_begin_again_without_its_data() {
    let known = cluster(Some(member(0xc, "c", "http://127.0.0.1:3")));
    let error = refusal(known).await;
    assert!(
        error.starts_with("member c has already been bootstrapped"),
        "{error}"
    );
}

#[tokio::test]
async fn with_nobody_to_ask_the_texts_are_etcds() {
    let error = identity(&config("c=http://127.0.0.1:3")).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "cannot fetch cluster info from peer urls: could not retrieve cluster information from the given URLs"
    );
}

#[tokio::test]
async fn urls_are_the_same_if_their_names_stand_for_the_same_address() {
    let urls = |urls: &[&str]| urls.iter().map(ToString::to_string).collect::<Vec<_>>();
    let one = urls(&["http://b:2", "http://a:1"]);
    assert_eq!(
        urls::compare(&one, &urls(&["http://a:1", "http://b:2"])).await,
        Ok(())
    );
    let error = urls::compare(&one, &urls(&["http://a:1"])).await.unwrap_err();
    assert_eq!(
        error,
        r#"len(["http://b:2" "http://a:1"]) != len(["http://a:1"])"#
    );
    let local = tokio::net::lookup_host(("localhost", 7))
        .await
        .unwrap()
        .next()
        .unwrap();
    let by_address = urls(&[&format!("http://{local}")]);
    assert_eq!(
        urls::compare(&urls(&["http://localhost:7"]), &by_address).await,
        Ok(())
    );
}
