use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use kv_backend::BackendHome;
use kv_mvcc::StoreOptions;
use kv_raft::{Raft, RaftMember, RaftOptions, RaftParts};
use kv_server::{AuthOptions, LeaderDesk, LogGauge, Replica, Running, Server, ServerOptions, disk_histogram};
use kv_types::{ClusterId, HistogramSnapshot, Limits, MemberId};
use kv_wal::{Health, Wal};
use tokio::time::Instant;

use crate::disk::Disk;
use crate::net::Net;

/// How long anything may take.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// How members of a test behave.
#[derive(Clone, Copy)]
pub(crate) struct Pace {
    pub(crate) election_timeout: Duration,
    /// Entries between two snapshots; the log is purged to half of it.
    pub(crate) snapshot_count: u64,
}

/// Members of one cluster.
pub(crate) struct Cluster {
    net: Net,
    pace: Pace,
    pub(crate) seats: BTreeMap<u64, Seat>,
}

/// The place of a member, which runs or not.
pub(crate) struct Seat {
    pub(crate) disk: Disk,
    member: Option<Member>,
}

struct Member {
    running: Running,
    raft: Raft,
}

impl Cluster {
    /// A cluster of members 1 to `size` that runs and has a leader.
    pub(crate) async fn start(size: u64, pace: Pace, seed: u64) -> Self {
        let seats = (1..=size).map(|id| {
            let disk = Disk::new(seed.wrapping_mul(7).wrapping_add(id));
            (id, Seat { disk, member: None })
        });
        let mut cluster = Self {
            net: Net::default(),
            pace,
            seats: seats.collect(),
        };
        let ids = cluster.ids();
        cluster.run(&ids).await;
        cluster.ready(&ids).await;
        cluster
    }

    pub(crate) fn ids(&self) -> Vec<u64> {
        self.seats.keys().copied().collect()
    }

    pub(crate) fn servers(&self) -> Vec<Server> {
        self.ids().into_iter().map(|id| self.server(id)).collect()
    }

    pub(crate) fn server(&self, id: u64) -> Server {
        self.member(id).running.server()
    }

    pub(crate) fn status(&self, id: u64) -> kv_raft::Status {
        self.member(id).raft.status()
    }

    fn member(&self, id: u64) -> &Member {
        self.seats[&id].member.as_ref().expect("it runs")
    }

    /// Starts members, without waiting for a leader.
    pub(crate) async fn run(&mut self, ids: &[u64]) {
        let members: Vec<RaftMember> = self.seats.keys().map(|id| raft_member(*id)).collect();
        for id in ids {
            let seat = &self.seats[id];
            let member = self.start_member(*id, &seat.disk).await;
            member.raft.bootstrap(&members).await.unwrap();
            self.seats.get_mut(id).unwrap().member = Some(member);
        }
    }

    /// Waits until members serve.
    pub(crate) async fn ready(&self, ids: &[u64]) {
        let published = ids.iter().map(|id| self.member(*id).running.publish());
        let published = tokio::time::timeout(PATIENCE, futures_util::future::try_join_all(published)).await;
        published
            .unwrap_or_else(|_| panic!("no leader in time: {:#?}", self.report()))
            .unwrap();
    }

    fn report(&self) -> Vec<String> {
        let running = self
            .seats
            .iter()
            .filter_map(|(id, seat)| Some((id, seat.member.as_ref()?)));
        running
            .map(|(id, member)| format!("{id}: {:?}", member.raft.status()))
            .collect()
    }

    async fn start_member(&self, id: u64, disk: &Disk) -> Member {
        let options = kv_wal::Options {
            segment_bytes: 128 * 1024,
            first_segment_bytes: 16 * 1024,
            spare_segments: 1,
            cache_bytes: 64 * 1024,
            queue_bytes: 256 << 20,
            full_disk_retry: Some(Duration::from_millis(50)),
            ..kv_wal::Options::default()
        };
        let (wal, _) = Wal::open_in(disk.log_storage(), options).unwrap();
        let home: Arc<dyn BackendHome> = Arc::new(disk.store.clone());
        let replica = Replica::open(home, StoreOptions::default(), Duration::from_secs(600)).unwrap();
        let replica = Arc::new(replica);
        let desk = Arc::new(LeaderDesk::default());
        let options = server_options(id, self.pace);
        let raft_options = RaftOptions {
            heartbeat_interval: self.pace.election_timeout / 10,
            election_timeout: self.pace.election_timeout,
            request_timeout: options.request_timeout(),
            snapshot_count: self.pace.snapshot_count,
            catchup_entries: self.pace.snapshot_count / 2,
            ..RaftOptions::new(options.member_id, disk.snapshot_dir())
        };
        let parts = RaftParts {
            wal: wal.clone(),
            machine: Arc::clone(&replica) as Arc<dyn kv_raft::StateMachine>,
            transport: self.net.transport(id),
            ask_handler: Arc::clone(&desk) as Arc<dyn kv_raft::AskHandler>,
        };
        let raft = Raft::start(raft_options, parts).await.unwrap();
        self.net.join(id, raft.service());
        let running = Running::start(options, replica, raft.clone(), &desk, Arc::new(Gauge(wal))).unwrap();
        Member { running, raft }
    }

    /// Ends members as a failure of their power would, all at once: `lose` says what becomes of their disks.
    pub(crate) async fn power_off(&mut self, ids: &[u64], mut lose: impl FnMut(&mut Disk)) {
        for id in ids {
            self.net.leave(*id);
            lose(&mut self.seats.get_mut(id).unwrap().disk);
        }
        for id in ids {
            let seat = self.seats.get_mut(id).unwrap();
            // What is left of the process can do no more harm; it goes before the disk is used again.
            seat.member.take().expect("it runs").running.stop().await;
        }
        for id in ids {
            self.seats[id].disk.restart();
        }
    }

    /// Stops everything in order.
    pub(crate) async fn stop(self) {
        for seat in self.seats.into_values() {
            if let Some(member) = seat.member {
                member.running.stop().await;
            }
        }
    }

    /// Who leads, as all members see it.
    pub(crate) async fn leader(&self) -> u64 {
        self.eventually("leader", || {
            let seen: Vec<_> = self.servers().iter().map(Server::leader).collect();
            let agreed = seen.windows(2).all(|pair| pair[0] == pair[1]);
            seen[0].filter(|_| agreed).map(MemberId::get)
        })
        .await
    }

    pub(crate) async fn eventually<T>(&self, what: &str, mut look: impl FnMut() -> Option<T>) -> T {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(found) = look() {
                return found;
            }
            assert!(
                Instant::now() < deadline,
                "no {what} in time: {:#?}",
                self.report()
            );
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}

fn raft_member(id: u64) -> RaftMember {
    RaftMember {
        id: MemberId::new(id),
        peer_urls: vec![format!("http://member-{id}:2380")],
        learner: false,
    }
}

fn server_options(id: u64, pace: Pace) -> ServerOptions {
    ServerOptions {
        member_id: MemberId::new(id),
        cluster_id: ClusterId::new(7),
        name: format!("m{id}"),
        client_urls: Vec::new(),
        election_timeout: pace.election_timeout,
        quota_bytes: None,
        strict_reconfig_check: true,
        max_learners: 1,
        limits: Limits::default(),
        scratch_dir: std::env::temp_dir(),
        auth: AuthOptions {
            bcrypt_cost: 4,
            ..AuthOptions::default()
        },
    }
}

struct Gauge(Wal);

impl LogGauge for Gauge {
    fn is_disk_full(&self) -> bool {
        self.0.health() == Health::DiskFull
    }

    fn syncs(&self) -> HistogramSnapshot {
        disk_histogram().snapshot()
    }

    fn written_bytes(&self) -> u64 {
        0
    }
}
