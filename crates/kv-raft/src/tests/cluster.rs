use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use kv_types::{LogIndex, MemberId};
use kv_wal::faulty::Random;
use tempfile::TempDir;
use tokio::time::Instant;

use super::disk::TestDisk;
use super::machine::{Machine, MachineDisk};
use super::network::Net;
use crate::{AskHandler, ProposeError, Raft, RaftMember, RaftOptions, RaftParts, Role};

/// How long anything may take in a test.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// Elections that take a fifth of the usual time.
pub(crate) fn quick(options: &mut RaftOptions) {
    options.heartbeat_interval = Duration::from_millis(20);
    options.election_timeout = Duration::from_millis(200);
}

/// Members of one cluster.
pub(crate) struct Cluster {
    pub(crate) net: Net,
    sites: BTreeMap<u64, Site>,
    pub(crate) running: BTreeMap<u64, Member>,
    tune: fn(&mut RaftOptions),
}

/// What survives a crash of a member.
struct Site {
    snapshots: TempDir,
    disk: TestDisk,
    machine_disk: MachineDisk,
}

/// A running member.
pub(crate) struct Member {
    pub(crate) raft: Raft,
    pub(crate) machine: Machine,
}

/// Answers with the question and who answers it.
struct Echo(u64);

impl AskHandler for Echo {
    fn ask(&self, from: MemberId, question: Bytes) -> BoxFuture<'static, Bytes> {
        let answer = format!("{} to {}: {}", self.0, from, String::from_utf8_lossy(&question));
        Box::pin(async move { answer.into() })
    }
}

impl Cluster {
    /// Starts a cluster of members 1 to `size`.
    pub(crate) async fn start(size: u64) -> Self {
        Self::start_tuned(size, |_| {}).await
    }

    pub(crate) async fn start_tuned(size: u64, tune: fn(&mut RaftOptions)) -> Self {
        let mut cluster = Self {
            net: Net::default(),
            sites: BTreeMap::new(),
            running: BTreeMap::new(),
            tune,
        };
        for id in 1..=size {
            cluster.run(id).await;
        }
        let members: Vec<RaftMember> = (1..=size).map(member).collect();
        for member in cluster.running.values() {
            member.raft.bootstrap(&members).await.unwrap();
        }
        cluster
    }

    /// Starts a member, or starts it again.
    pub(crate) async fn run(&mut self, id: u64) {
        let site = self.sites.entry(id).or_insert_with(|| Site {
            snapshots: tempfile::tempdir().unwrap(),
            disk: TestDisk::default(),
            machine_disk: MachineDisk::default(),
        });
        let machine = Machine::open(site.machine_disk.clone());
        let wal = site.disk.open_wal();
        let mut options = RaftOptions::new(MemberId::new(id), site.snapshots.path().join("snap"));
        (self.tune)(&mut options);
        let parts = RaftParts {
            wal,
            machine: Arc::new(machine.clone()),
            transport: self.net.transport(id),
            ask_handler: Arc::new(Echo(id)),
        };
        let raft = Raft::start(options, parts).await.unwrap();
        self.net.join(id, raft.service());
        self.running.insert(id, Member { raft, machine });
    }

    /// Ends a member as SIGKILL would: nothing is said, nothing is finished.
    pub(crate) async fn kill(&mut self, id: u64) {
        self.end(id, TestDisk::after_crash).await;
    }

    /// Ends a member as a power failure would.
    pub(crate) async fn lose_power(&mut self, id: u64, random: &mut Random) {
        self.end(id, |disk| disk.after_power_loss(random)).await;
    }

    async fn end(&mut self, id: u64, crash: impl FnOnce(&TestDisk) -> TestDisk) {
        let site = self.sites.get_mut(&id).unwrap();
        // What the member still does on the old disk is lost.
        site.disk = crash(&site.disk);
        self.net.leave(id);
        self.running.remove(&id).unwrap().raft.kill().await;
    }

    pub(crate) fn disk(&self, id: u64) -> &TestDisk {
        &self.sites[&id].disk
    }

    pub(crate) fn raft(&self, id: u64) -> &Raft {
        &self.running[&id].raft
    }

    pub(crate) fn machine(&self, id: u64) -> &Machine {
        &self.running[&id].machine
    }

    pub(crate) fn ids(&self) -> Vec<u64> {
        self.running.keys().copied().collect()
    }

    /// The members other than `id`.
    pub(crate) fn others(&self, id: u64) -> Vec<u64> {
        self.ids().into_iter().filter(|other| *other != id).collect()
    }

    /// Waits until all of `ids` know the same leader, one of them.
    pub(crate) async fn leader_among(&self, ids: &[u64]) -> u64 {
        self.eventually("a leader", || {
            let leader = self.raft(ids[0]).leadership().borrow().leader?.get();
            let agreed = |id: &u64| {
                let seen = *self.raft(*id).leadership().borrow();
                seen.leader == Some(MemberId::new(leader)) && (seen.role == Role::Leader) == (*id == leader)
            };
            (ids.contains(&leader) && ids.iter().all(agreed)).then_some(leader)
        })
        .await
    }

    pub(crate) async fn leader(&self) -> u64 {
        self.leader_among(&self.ids()).await
    }

    pub(crate) async fn propose(&self, id: u64, command: &str) -> Result<LogIndex, ProposeError> {
        self.raft(id)
            .propose(Bytes::copy_from_slice(command.as_bytes()))
            .await
    }

    /// Waits until every running member has applied the same commands, among them `command`.
    pub(crate) async fn all_have(&self, command: &str) {
        self.eventually(command, || {
            let first = self.running.values().next()?.machine.commands();
            let same = self
                .running
                .values()
                .all(|member| member.machine.commands() == first);
            (same && first.iter().any(|known| known == command)).then_some(())
        })
        .await;
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

    fn report(&self) -> Vec<String> {
        self.running
            .iter()
            .map(|(id, member)| {
                format!(
                    "{id}: {} commands, {:?}",
                    member.machine.count(),
                    member.raft.status()
                )
            })
            .collect()
    }
}

pub(crate) fn member(id: u64) -> RaftMember {
    RaftMember {
        id: MemberId::new(id),
        peer_urls: vec![format!("http://member-{id}:2380")],
        learner: false,
    }
}
