use kv_types::{ClusterId, MemberId};
use tonic::Status;
use tonic::metadata::{MetadataMap, MetadataValue};

const CLUSTER: &str = "kvd-cluster-id";
const FROM: &str = "kvd-from";
const TO: &str = "kvd-to";

/// Which member of which cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The cluster.
    pub cluster: ClusterId,
    /// The member.
    pub member: MemberId,
}

impl Identity {
    /// Says in a request to `to` who sends it.
    pub(crate) fn sign(&self, metadata: &mut MetadataMap, to: MemberId) {
        let values = [
            (CLUSTER, self.cluster.get()),
            (FROM, self.member.get()),
            (TO, to.get()),
        ];
        for (name, value) in values {
            let value =
                MetadataValue::try_from(format!("{value:x}")).expect("hexadecimal digits are valid metadata");
            metadata.insert(name, value);
        }
    }

    /// Checks that a request is meant for this member; returns who sent it.
    pub(crate) fn check(&self, metadata: &MetadataMap) -> Result<MemberId, Status> {
        let cluster = ClusterId::new(read(metadata, CLUSTER)?);
        if cluster != self.cluster {
            return Err(Status::failed_precondition(format!(
                "cluster ID mismatch: the request is for {cluster}, this member belongs to {}",
                self.cluster
            )));
        }
        let to = MemberId::new(read(metadata, TO)?);
        if to != self.member {
            return Err(Status::failed_precondition(format!(
                "member ID mismatch: the request is for {to}, this member is {}",
                self.member
            )));
        }
        Ok(MemberId::new(read(metadata, FROM)?))
    }
}

fn read(metadata: &MetadataMap, name: &'static str) -> Result<u64, Status> {
    let value = metadata.get(name).and_then(|value| value.to_str().ok());
    let value = value.and_then(|value| u64::from_str_radix(value, 16).ok());
    value.ok_or_else(|| {
        Status::invalid_argument(format!("metadata {name} is missing or no hexadecimal number"))
    })
}
