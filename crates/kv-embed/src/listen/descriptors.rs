use rustix::process::{Resource, getrlimit};

/// File descriptors that connections leave for the log, the store and peers.
const RESERVED: u64 = 256;

/// Of the connections, peers have this part, within bounds: members are few.
const PEERS_PART: usize = 8;
const PEER_CONNECTIONS_MAX: usize = 1024;

/// More connections are of no use, whatever the system allows: each takes some 30 KiB at least.
const CONNECTIONS_MAX: u64 = 65_536;

/// How many connections peers may have at a time.
pub(crate) fn peer_connections_max() -> usize {
    peers(getrlimit(Resource::Nofile).current)
}

/// How many connections clients may have at a time, so that no number of them keeps the member from opening its
/// files, or its peers from reaching it.
pub(crate) fn client_connections_max() -> usize {
    let descriptors = getrlimit(Resource::Nofile).current;
    all(descriptors) - peers(descriptors)
}

fn peers(descriptors: Option<u64>) -> usize {
    (all(descriptors) / PEERS_PART).clamp(1, PEER_CONNECTIONS_MAX)
}

fn all(descriptors: Option<u64>) -> usize {
    let descriptors = descriptors.unwrap_or(u64::MAX);
    // With very few, connections take half.
    let left = descriptors.saturating_sub(RESERVED).max(descriptors / 2);
    usize::try_from(left.clamp(2, CONNECTIONS_MAX)).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_leave_descriptors_for_files_and_peers() {
        let cases = [
            (None, 65_536, 1024),
            (Some(1 << 20), 65_536, 1024),
            (Some(1024), 768, 96),
            (Some(100), 50, 6),
            (Some(0), 2, 1),
        ];
        for (descriptors, all_max, peers_max) in cases {
            assert_eq!(
                (all(descriptors), peers(descriptors)),
                (all_max, peers_max),
                "{descriptors:?}"
            );
        }
    }
}
