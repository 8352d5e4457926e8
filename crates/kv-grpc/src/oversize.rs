//! tonic and etcd disagree on what an oversized message is; clients know etcd's answer.

use tonic::{Code, Status};

/// Turns tonic's answer to an oversized request message into grpc-go's; any other status stays as it is.
pub(crate) fn correct(status: Status) -> Status {
    if status.code() != Code::OutOfRange {
        return status;
    }
    correct_text(status.message()).map_or(status, Status::resource_exhausted)
}

/// The text for a message, if tonic's text says that it is too large.
fn correct_text(text: &str) -> Option<String> {
    let rest = text.strip_prefix("Error, decoded message length too large: found ")?;
    let (found, rest) = rest.split_once(" bytes, the limit is: ")?;
    let limit = rest.strip_suffix(" bytes")?;
    Some(format!(
        "grpc: received message larger than max ({found} vs. {limit})"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_statuses_stay_as_they_are() {
        let status = correct(Status::out_of_range("etcdserver: too large lease TTL"));
        assert_eq!(
            (status.code(), status.message()),
            (Code::OutOfRange, "etcdserver: too large lease TTL")
        );
    }
}
