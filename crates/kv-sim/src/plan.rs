use std::time::Duration;

use kv_mvcc::StoreOptions;
use kv_wal::faulty::Random;

use crate::chance;
use crate::cluster::store_options;

/// What a seed makes of a simulation.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    /// Members.
    pub(crate) size: u64,
    pub(crate) election_timeout: Duration,
    /// Whether changes of the membership are refused that would endanger the quorum.
    pub(crate) strict: bool,
    /// Entries between two snapshots.
    pub(crate) snapshot_count: u64,
    pub(crate) progress_interval: Duration,
    pub(crate) store: StoreOptions,
    /// Clients that write and read.
    pub(crate) writers: u64,
    pub(crate) watchers: u64,
    pub(crate) lessees: u64,
    /// How long there are faults.
    pub(crate) faults_for: Duration,
    /// Time between two faults, at most.
    pub(crate) calm_millis_max: u64,
}

impl Plan {
    pub(crate) fn draw(random: &mut Random) -> Self {
        let size = chance::one_of(random, &[1, 3, 3, 3, 3, 3, 5, 5]);
        Self {
            size,
            election_timeout: Duration::from_millis(chance::one_of(random, &[1000, 1000, 500])),
            strict: chance::percent(random, 50),
            snapshot_count: chance::one_of(random, &[20, 20, 50, 200, 10_000]),
            progress_interval: Duration::from_secs(chance::one_of(random, &[2, 10])),
            store: store_options(),
            writers: chance::within(random, 2..6),
            watchers: chance::within(random, 1..4),
            lessees: chance::within(random, 1..5),
            faults_for: Duration::from_secs(chance::within(random, 20..60)),
            calm_millis_max: chance::one_of(random, &[1000, 3000, 8000]),
        }
    }
}
