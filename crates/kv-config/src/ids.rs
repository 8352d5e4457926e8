use kv_types::{ClusterId, MemberId};
use sha1::{Digest, Sha1};

/// The ID of a member at bootstrap: the first eight bytes of the SHA-1 of its sorted peer URLs and the token.
///
/// `etcd-operations` section 2.3 has the test vectors, taken from a real etcd.
pub fn member_id(peer_urls: &[String], token: &str) -> MemberId {
    let mut sorted: Vec<&str> = peer_urls.iter().map(String::as_str).collect();
    sorted.sort_unstable();
    let mut hash = Sha1::new();
    for url in sorted {
        hash.update(url);
    }
    hash.update(token);
    MemberId::new(first_u64(&hash.finalize()))
}

/// The ID of a member that is added to a running cluster: as [`member_id`], with the time of the request in place of
/// the token, so that a member which comes again is another one.
pub fn added_member_id(peer_urls: &[String], unix_seconds: u64) -> MemberId {
    member_id(peer_urls, &unix_seconds.to_string())
}

/// The ID of a cluster: the first eight bytes of the SHA-1 of its initial member IDs, ascending.
pub fn cluster_id(members: &[MemberId]) -> ClusterId {
    let mut sorted = members.to_vec();
    sorted.sort_unstable();
    let mut hash = Sha1::new();
    for member in sorted {
        hash.update(member.get().to_be_bytes());
    }
    ClusterId::new(first_u64(&hash.finalize()))
}

fn first_u64(digest: &[u8]) -> u64 {
    digest[..8]
        .iter()
        .fold(0, |value, byte| value << 8 | u64::from(*byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(url: &str, token: &str) -> MemberId {
        member_id(&[url.to_owned()], token)
    }

    #[test]
    fn ids_equal_those_of_a_real_etcd() {
        let single = id("http://127.0.0.1:42380", "etcd-cluster");
        assert_eq!(single.to_string(), "667880157b8812c8");
        assert_eq!(cluster_id(&[single]).to_string(), "dc50b8daae93b3e0");

        let added = added_member_id(&["http://127.0.0.1:42380".to_owned()], 1_700_000_000);
        assert_eq!(added, id("http://127.0.0.1:42380", "1700000000"));

        let default = id("http://localhost:2380", "etcd-cluster");
        assert_eq!(default.to_string(), "8e9e05c52164694d");
        assert_eq!(cluster_id(&[default]).to_string(), "cdf818194e3a8c32");

        let three: Vec<MemberId> = [45380, 46380, 47380]
            .iter()
            .map(|port| id(&format!("http://127.0.0.1:{port}"), "tok"))
            .collect();
        let mut texts: Vec<String> = three.iter().map(MemberId::to_string).collect();
        texts.sort();
        assert_eq!(
            texts,
            ["cd108e8fbcbb78cf", "ce675075d1f2d62d", "d518130e45acbb29"]
        );
        assert_eq!(cluster_id(&three).to_string(), "3139fcf6e221c7b6");
    }
}
