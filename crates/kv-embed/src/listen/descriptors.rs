use rustix::process::{Resource, getrlimit};

/// File descriptors that connections leave for the log, the store and peers.
const RESERVED: u64 = 256;

/// More connections are of no use, whatever the system allows: each takes some 30 KiB at least.
const CONNECTIONS_MAX: u64 = 65_536;

/// How many connections a group of listeners may have at a time, so that no number of them keeps the member from
/// opening its files.
pub(super) fn connections_max() -> usize {
    bounded(getrlimit(Resource::Nofile).current)
}

fn bounded(descriptors: Option<u64>) -> usize {
    let descriptors = descriptors.unwrap_or(u64::MAX);
    // With very few, connections take half.
    let left = descriptors.saturating_sub(RESERVED).max(descriptors / 2);
    usize::try_from(left.min(CONNECTIONS_MAX)).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_leave_descriptors_for_files() {
        assert_eq!(bounded(Some(1024)), 768);
        assert_eq!(bounded(Some(100)), 50);
        assert_eq!(bounded(Some(1 << 20)), 65_536);
        assert_eq!(bounded(None), 65_536);
    }
}
