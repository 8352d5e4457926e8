use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use kv_backend::BackendHome;
use kv_backend::faulty::FaultyHome;
use kv_mvcc::StoreOptions;
use kv_raft::{Raft, RaftMember, RaftOptions, RaftParts};
use kv_server::{LeaderDesk, Replica, Running, ServerOptions};
use kv_types::{ClusterId, Limits, MemberId, Revision, Term};
use kv_wal::Wal;
use kv_wal::faulty::Random;
use parking_lot::Mutex;
use tokio::sync::{Notify, watch};

use crate::chance;
use crate::disk::Disk;
use crate::invariants::vote_durability;
use crate::log_writer::LogWriter;
use crate::net::Net;
use crate::observed::Observed;
use crate::plan::Plan;
use crate::seat::{Door, Gauge, Life, Seat, Seats};
use crate::violation::Violation;
use crate::world::World;

/// Between the end of a process whose storage failed and its next start.
const SUPERVISOR_PAUSE: Duration = Duration::from_millis(500);

/// The members of one cluster. Clones are the same cluster.
#[derive(Clone)]
pub(crate) struct Cluster {
    pub(crate) world: World,
    pub(crate) net: Net,
    pub(crate) seats: Seats,
    /// Held while the membership is changed. A disk that is lost is replaced before anything else is changed: of
    /// a small cluster no two may be lost.
    pub(crate) membership: Arc<tokio::sync::Mutex<()>>,
    plan: Arc<Plan>,
    random: Arc<Mutex<Random>>,
}

/// How a member ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// Its machine loses power.
    Power,
    /// Its process is killed.
    Process,
}

impl Cluster {
    pub(crate) fn new(world: &World, plan: Plan) -> std::io::Result<Self> {
        let mut random = world.fork_random();
        let mut seats = BTreeMap::new();
        for id in 1..=plan.size {
            seats.insert(id, Seat::new(Disk::new(random.next_u64())?));
        }
        Ok(Self {
            world: world.clone(),
            net: Net::new(world),
            seats: Arc::new(Mutex::new(seats)),
            membership: Arc::default(),
            plan: Arc::new(plan),
            random: Arc::new(Mutex::new(random)),
        })
    }

    pub(crate) fn ids(&self) -> Vec<u64> {
        self.seats.lock().keys().copied().collect()
    }

    /// The members by the truth, with a seat or not.
    pub(crate) fn members(&self) -> Vec<u64> {
        let members = self.world.truth().members();
        members.iter().map(|member| member.id.get()).collect()
    }

    /// The members that run although they were removed. One that was removed before a leader has found it knows
    /// nobody who could tell it; `kv-embed` asks for it there.
    pub(crate) fn lingering(&self) -> Vec<u64> {
        let removed = self.world.truth().removed_members().clone();
        let seats = self.seats.lock();
        let lingers = seats.iter().filter(|(id, seat)| {
            let status = seat.status();
            removed.contains(&MemberId::new(**id)) && status.is_some_and(|status| status.last.is_some())
        });
        lingers.map(|(id, _)| *id).collect()
    }

    /// A seat for one that is going to be added; its ID.
    pub(crate) fn new_seat(&self) -> std::io::Result<u64> {
        let disk = Disk::new(self.random.lock().next_u64())?;
        let mut seats = self.seats.lock();
        let id = seats.last_key_value().map_or(0, |(id, _)| *id) + 1;
        let mut seat = Seat::new(disk);
        seat.joined = true;
        // Until it is told to start.
        seat.retired = true;
        seats.insert(id, seat);
        Ok(id)
    }

    /// Whether a member may be started from now on.
    pub(crate) fn set_retired(&self, id: u64, retired: bool) {
        if let Some(seat) = self.seats.lock().get_mut(&id) {
            seat.retired = retired;
        }
    }

    pub(crate) fn running(&self) -> Vec<u64> {
        let seats = self.seats.lock();
        let running = seats.iter().filter(|(_, seat)| seat.life.is_some());
        running.map(|(id, _)| *id).collect()
    }

    pub(crate) fn door(&self, id: u64) -> Option<Door> {
        self.seats.lock().get(&id)?.door(id)
    }

    pub(crate) fn raft(&self, id: u64) -> Option<Raft> {
        Some(self.seats.lock().get(&id)?.life.as_ref()?.raft.clone())
    }

    pub(crate) fn with_disk<T>(&self, id: u64, act: impl FnOnce(&Disk) -> T) -> Option<T> {
        self.seats.lock().get(&id).map(|seat| act(&seat.disk))
    }

    /// Who leads, as most of them see it.
    pub(crate) fn leader(&self) -> Option<u64> {
        let seats = self.seats.lock();
        let seen = seats.values().filter_map(|seat| seat.status()?.leadership.leader);
        let mut votes: BTreeMap<u64, usize> = BTreeMap::new();
        seen.for_each(|leader| *votes.entry(leader.get()).or_default() += 1);
        let most = votes.into_iter().max_by_key(|(_, count)| *count);
        most.map(|(leader, _)| leader)
    }

    /// Starts a member that does not run.
    pub(crate) async fn start(&self, id: u64) {
        if !self.claim(id) {
            return;
        }
        while let Err(reason) = self.try_start(id).await {
            self.world.note(&format!("member {id} does not start: {reason}"));
            if self.with_disk(id, Disk::mend_rot) == Some(true) {
                // It has refused damage, as it should; its disk is replaced by a copy without.
                self.world.checked("damage refused");
                continue;
            }
            if !self.troubled(id) {
                self.world.judge(Err(Violation {
                    invariant: "a member starts after any crash",
                    detail: format!("member {id}: {reason}"),
                }));
                break;
            }
            // Its disk has met with a fault meanwhile.
            self.clean_up(id);
            tokio::time::sleep(SUPERVISOR_PAUSE).await;
        }
        if let Some(seat) = self.seats.lock().get_mut(&id) {
            seat.starting = false;
        }
    }

    /// Whether the caller is to start a member: it neither runs nor is being started.
    fn claim(&self, id: u64) -> bool {
        let mut seats = self.seats.lock();
        let claimed = seats
            .get_mut(&id)
            .filter(|seat| seat.life.is_none() && !seat.starting && !seat.retired);
        claimed.map(|seat| seat.starting = true).is_some()
    }

    fn troubled(&self, id: u64) -> bool {
        self.with_disk(id, Disk::is_troubled) == Some(true)
    }

    /// Ends a start that has failed.
    fn clean_up(&self, id: u64) {
        let mut seats = self.seats.lock();
        if let Some(seat) = seats.get_mut(&id).filter(|seat| seat.life.is_none()) {
            seat.disk.lose_power(&mut self.random.lock());
        }
    }

    async fn try_start(&self, id: u64) -> Result<(), String> {
        let (number, joined, starting) = {
            let mut seats = self.seats.lock();
            let Some(seat) = seats.get_mut(&id) else {
                return Ok(());
            };
            seat.lives += 1;
            seat.compacted = Revision::ZERO;
            (seat.lives, seat.joined, Starting::open(seat)?)
        };
        self.world.note(&format!("member {id} starts"));
        let (down, is_down) = watch::channel(false);
        let options = server_options(id, &self.plan);
        let home: Arc<dyn BackendHome> = Arc::new(starting.store.clone());
        let replica = Replica::open(home, self.plan.store, self.plan.progress_interval);
        let replica = Arc::new(replica.map_err(|error| error.to_string())?);
        let observed = Observed {
            world: self.world.clone(),
            id,
            replica: Arc::clone(&replica),
            wal: starting.wal.clone(),
            store: starting.store.clone(),
            down: is_down.clone(),
        };
        let desk = Arc::new(LeaderDesk::default());
        let parts = RaftParts {
            wal: starting.wal.clone(),
            machine: Arc::new(observed),
            transport: self.net.transport(id, number),
            ask_handler: Arc::clone(&desk) as Arc<dyn kv_raft::AskHandler>,
        };
        let writer = LogWriter {
            driver: starting.driver,
            wal: starting.wal.clone(),
            wake: starting.wake,
            pace: starting.pace,
            random: Random::new(self.random.lock().next_u64()),
        };
        tokio::spawn(writer.run(is_down.clone()));
        let pace = chance::one_of(&mut self.random.lock(), &CLOCKS);
        if pace != 100 {
            self.world.fault("clock drift", &format!("{id} {pace} %"));
        }
        let raft_options = raft_options(&options, pace, &self.plan, starting.snapshot_dir);
        let raft = Raft::start(raft_options, parts)
            .await
            .map_err(|error| error.to_string())?;
        self.net.join(id, number, raft.service(), is_down);
        let gauge = Arc::new(Gauge(starting.wal.clone()));
        let running = Running::start(options, replica, raft.clone(), &desk, gauge)
            .map_err(|error| error.to_string())?;
        let life = Life {
            number,
            running,
            raft: raft.clone(),
            wal: starting.wal,
            down,
        };
        tokio::spawn(life.running.publish());
        self.settle(id, life);
        if joined {
            return Ok(());
        }
        let members: Vec<RaftMember> = (1..=self.plan.size).map(raft_member).collect();
        // Through Raft's core and back: what it tells of itself is then what it has found.
        if raft.bootstrap(&members).await.is_ok() {
            self.check_vote(id, number, raft.status().vote);
        }
        Ok(())
    }

    fn settle(&self, id: u64, life: Life) {
        let raft = life.raft.clone();
        let number = life.number;
        let mut seats = self.seats.lock();
        if let Some(seat) = seats.get_mut(&id) {
            seat.life = Some(life);
        }
        drop(seats);
        let cluster = self.clone();
        tokio::spawn(async move { cluster.supervise(id, number, raft).await });
    }

    fn check_vote(&self, id: u64, number: u64, found: (Term, MemberId)) {
        let seats = self.seats.lock();
        if let Some(seat) = seats.get(&id).filter(|seat| seat.lives == number) {
            self.world.judge(vote_durability::check(id, seat.vote, found));
        }
    }

    /// Starts a member anew when it has stopped by itself, as whatever runs processes would.
    async fn supervise(self, id: u64, number: u64, raft: Raft) {
        let reason = tokio::select! {
            biased;
            reason = raft.stopped() => reason,
            () = raft.removed() => {
                if self.is_life(id, number) {
                    self.world.note(&format!("member {id} was removed and stops"));
                    self.set_retired(id, true);
                    self.end(id, End::Process);
                }
                return;
            }
        };
        if !self.is_life(id, number) {
            return;
        }
        self.world.note(&format!("member {id} has failed: {reason:?}"));
        let is_off = self.with_disk(id, Disk::is_off) == Some(true);
        self.end(id, if is_off { End::Power } else { End::Process });
        tokio::time::sleep(SUPERVISOR_PAUSE).await;
        self.start(id).await;
    }

    fn is_life(&self, id: u64, number: u64) -> bool {
        let seats = self.seats.lock();
        let life = seats.get(&id).and_then(|seat| seat.life.as_ref());
        life.is_some_and(|life| life.number == number)
    }

    /// Ends a member at once. Whether it ran.
    pub(crate) fn end(&self, id: u64, end: End) -> bool {
        let mut seats = self.seats.lock();
        let Some(seat) = seats.get_mut(&id) else {
            return false;
        };
        let Some(life) = seat.life.take() else {
            return false;
        };
        self.net.leave(id);
        life.down.send_replace(true);
        seat.vote = seat.vote.max(life.raft.status().vote);
        let mut random = self.random.lock();
        match end {
            End::Power => seat.disk.lose_power(&mut random),
            End::Process => seat.disk.end_process(&mut random),
        }
        // What is left of it reaches neither disk nor network nor clients any more.
        tokio::spawn(life.running.stop());
        true
    }

    /// Ends everything, so that nothing stays in memory.
    pub(crate) fn dispose(&self) {
        self.net.clear();
        let seats = std::mem::take(&mut *self.seats.lock());
        drop(seats);
    }
}

/// A member's storage, opened.
struct Starting {
    wal: Wal,
    driver: kv_wal::Driver,
    wake: Arc<Notify>,
    pace: crate::disk::SyncPace,
    store: FaultyHome,
    snapshot_dir: std::path::PathBuf,
}

impl Starting {
    fn open(seat: &Seat) -> Result<Self, String> {
        let wake = Arc::new(Notify::new());
        let waker = Arc::clone(&wake);
        let options = kv_wal::Options {
            segment_bytes: 32 * 1024,
            first_segment_bytes: 8 * 1024,
            spare_segments: 1,
            cache_bytes: 16 * 1024,
            queue_bytes: 256 << 20,
            full_disk_retry: Some(Duration::from_millis(50)),
            wake: Some(Arc::new(move || waker.notify_one())),
            ..kv_wal::Options::default()
        };
        let storage = Arc::new(seat.disk.log.clone());
        let (wal, driver, _) = Wal::open_manual(storage, options).map_err(|error| error.to_string())?;
        Ok(Self {
            wal,
            driver,
            wake,
            pace: seat.disk.pace.clone(),
            store: seat.disk.store.clone(),
            snapshot_dir: seat.disk.snapshot_dir(),
        })
    }
}

fn raft_member(id: u64) -> RaftMember {
    RaftMember {
        id: MemberId::new(id),
        peer_urls: vec![format!("http://member-{id}:2380")],
        learner: false,
    }
}

fn server_options(id: u64, plan: &Plan) -> ServerOptions {
    ServerOptions {
        member_id: MemberId::new(id),
        cluster_id: ClusterId::new(7),
        name: format!("m{id}"),
        client_urls: Vec::new(),
        election_timeout: plan.election_timeout,
        quota_bytes: None,
        strict_reconfig_check: plan.strict,
        max_learners: 1,
        limits: Limits::default(),
        scratch_dir: std::env::temp_dir(),
        auth: kv_server::AuthOptions::default(),
    }
}

/// How fast the clocks of members go by which Raft measures time, in hundredths of the true time.
const CLOCKS: [u32; 6] = [100, 100, 100, 97, 103, 110];

fn raft_options(
    options: &ServerOptions,
    pace: u32,
    plan: &Plan,
    snapshot_dir: std::path::PathBuf,
) -> RaftOptions {
    let election_timeout = plan.election_timeout * 100 / pace;
    RaftOptions {
        heartbeat_interval: election_timeout / 10,
        election_timeout,
        request_timeout: options.request_timeout(),
        snapshot_count: plan.snapshot_count,
        catchup_entries: plan.snapshot_count / 2,
        ..RaftOptions::new(options.member_id, snapshot_dir)
    }
}

/// Small blocks and caches, so that reads meet all of them.
pub(crate) fn store_options() -> StoreOptions {
    StoreOptions {
        cache_bytes: 16 * 1024,
        slice_bytes: 8 * 1024,
        block_bytes: 1024,
    }
}
