use kv_types::{ClusterId, MemberId};
use tonic::metadata::{Ascii, MetadataMap, MetadataValue};
use tonic::{Request, Status};

const CLUSTER: &str = "kvd-cluster-id";
const FROM: &str = "kvd-from";
const TO: &str = "kvd-to";

/// Who this member is to its peers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PeerIdentity {
    /// Its cluster.
    pub cluster: ClusterId,
    /// Itself.
    pub member: MemberId,
}

impl PeerIdentity {
    /// Says on a request who sends it and who is meant.
    pub(crate) fn sign<T>(&self, request: &mut Request<T>, to: MemberId) {
        let metadata = request.metadata_mut();
        metadata.insert(CLUSTER, hex(self.cluster.get()));
        metadata.insert(FROM, hex(self.member.get()));
        metadata.insert(TO, hex(to.get()));
    }

    /// Checks that a request is meant for this member of this cluster; who sent it.
    pub(crate) fn check(&self, metadata: &MetadataMap) -> Result<MemberId, Status> {
        let cluster = ClusterId::new(read(metadata, CLUSTER)?);
        if cluster != self.cluster {
            return Err(Status::failed_precondition(format!(
                "cluster ID mismatch: the request is of cluster {cluster}, this member is of cluster {}",
                self.cluster
            )));
        }
        let to = MemberId::new(read(metadata, TO)?);
        if to != self.member {
            return Err(Status::failed_precondition(format!(
                "member ID mismatch: the request is meant for member {to}, this is member {}",
                self.member
            )));
        }
        read(metadata, FROM).map(MemberId::new)
    }
}

fn hex(id: u64) -> MetadataValue<Ascii> {
    format!("{id:x}")
        .parse()
        .expect("hexadecimal digits are valid in metadata")
}

fn read(metadata: &MetadataMap, name: &'static str) -> Result<u64, Status> {
    let value = metadata.get(name).and_then(|value| value.to_str().ok());
    let id = value.and_then(|value| u64::from_str_radix(value, 16).ok());
    id.ok_or_else(|| Status::failed_precondition(format!("{name} is missing or not hexadecimal")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn identity(cluster: u64, member: u64) -> PeerIdentity {
        PeerIdentity {
            cluster: ClusterId::new(cluster),
            member: MemberId::new(member),
        }
    }

    #[test]
    fn requests_for_another_cluster_or_member_are_refused() {
        let mut request = Request::new(());
        identity(0xab, 1).sign(&mut request, MemberId::new(2));
        assert_eq!(
            identity(0xab, 2).check(request.metadata()).unwrap(),
            MemberId::new(1)
        );
        for (here, reason) in [
            (identity(0xcd, 2), "cluster ID mismatch"),
            (identity(0xab, 3), "member ID mismatch"),
        ] {
            let status = here.check(request.metadata()).unwrap_err();
            assert!(status.message().contains(reason), "{status}");
        }
        let unsigned = identity(0xab, 2).check(Request::new(()).metadata()).unwrap_err();
        assert!(
            unsigned.message().contains("kvd-cluster-id is missing"),
            "{unsigned}"
        );
    }
}
