use std::time::Duration;

use kv_raft::host;
use kv_types::{KeyRange, LogIndex};
use kv_wal::faulty::Random;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::clients::{Desk, Lessee, NoAnswer, Watcher, Writer};
use crate::cluster::Cluster;
use crate::inspector;
use crate::invariants::healing;
use crate::nemesis::Nemesis;
use crate::panics;
use crate::plan::Plan;
use crate::seat::Seat;
use crate::truth::Truth;
use crate::violation::Violation;
use crate::world::{Counts, World};

/// How often it is looked whether something was violated, or the cluster has healed.
const LOOK_INTERVAL: Duration = Duration::from_millis(100);

/// A simulation that takes so long beyond the time of faults does not end by itself: something waits for ever.
const END_PATIENCE: Duration = Duration::from_secs(200);

/// What came of a simulation.
#[derive(Clone, Debug)]
pub struct Report {
    /// Its seed.
    pub seed: u64,
    /// Simulated time.
    pub simulated: Duration,
    /// How long it took to heal after the last fault.
    pub healed: Duration,
    /// What was done.
    pub counts: Counts,
    /// The same for the same seed.
    pub trace_hash: u64,
    /// What was violated, if anything.
    pub violation: Option<Violation>,
    /// The last of what happened.
    pub trace: Vec<String>,
}

/// Runs the simulation of a seed on this thread.
///
/// # Errors
/// If the host cannot do what it takes: a runtime, a temporary directory.
pub fn simulate(seed: u64, aloud: bool) -> anyhow::Result<Report> {
    // Left by whatever ran before.
    drop(panics::take());
    let mut random = Random::new(seed);
    let host = host::simulate(random.next_u64());
    let runtime = runtime(random.next_u64())?;
    let report = runtime.block_on(Simulation::run(seed, random, aloud));
    // Tasks end with the runtime, and they are simulated up to there.
    drop(runtime);
    drop(host);
    report
}

/// One thread and simulated time, which passes when there is nothing else to do. tokio's own choices by chance follow
/// from the seed only if it is built with `--cfg tokio_unstable`.
fn runtime(seed: u64) -> std::io::Result<Runtime> {
    let mut builder = Builder::new_current_thread();
    builder.enable_time().start_paused(true);
    #[cfg(tokio_unstable)]
    builder.rng_seed(tokio::runtime::RngSeed::from_bytes(&seed.to_le_bytes()));
    #[cfg(not(tokio_unstable))]
    let _ = seed;
    builder.build()
}

struct Simulation {
    world: World,
    cluster: Cluster,
    plan: Plan,
}

impl Simulation {
    async fn run(seed: u64, mut random: Random, aloud: bool) -> anyhow::Result<Report> {
        let plan = Plan::draw(&mut random);
        let truth = Truth::new().map_err(|violation| anyhow::anyhow!("{violation}"))?;
        let world = World::new(random.next_u64(), truth, aloud);
        world.note(&format!("seed {seed}: {plan:?}"));
        let cluster = Cluster::new(&world, plan.clone())?;
        let simulation = Self {
            world: world.clone(),
            cluster: cluster.clone(),
            plan,
        };
        let healed = tokio::select! {
            biased;
            () = simulation.violated() => Duration::ZERO,
            healed = simulation.course() => healed,
        };
        simulation.note_panic();
        cluster.dispose();
        Ok(Report {
            seed,
            simulated: world.elapsed(),
            healed,
            counts: world.counts(),
            trace_hash: world.trace_hash(),
            violation: world.violation(),
            trace: world.trace_lines(),
        })
    }

    /// Returns once something was violated.
    async fn violated(&self) {
        loop {
            self.note_panic();
            if self.world.elapsed() > self.plan.faults_for + END_PATIENCE {
                self.world.judge(Err(Violation {
                    invariant: "the simulation comes to its end",
                    detail: self.state(),
                }));
            }
            if self.world.violation().is_some() {
                return;
            }
            tokio::time::sleep(LOOK_INTERVAL).await;
        }
    }

    fn note_panic(&self) {
        if let Some(panic) = panics::take() {
            self.world.judge(Err(Violation {
                invariant: "nothing panics",
                detail: panic,
            }));
        }
    }

    /// From the first start to the last check. How long healing took.
    async fn course(&self) -> Duration {
        for id in self.cluster.ids() {
            self.cluster.start(id).await;
        }
        let inspecting = tokio::spawn(inspector::run(self.cluster.clone()));
        let (stop, stopped) = watch::channel(false);
        let mut clients = self.clients(&stopped);
        let nemesis = Nemesis {
            cluster: self.cluster.clone(),
            random: self.world.fork_random(),
            calm_millis_max: self.plan.calm_millis_max,
        };
        nemesis.run(self.plan.faults_for).await;
        let healed = self.heal().await;
        self.world.note("healed");
        stop.send_replace(true);
        while clients.join_next().await.is_some() {}
        self.world.note("clients have ended");
        self.settle().await;
        inspector::check_states(&self.cluster);
        inspector::check_members(&self.cluster);
        inspecting.abort();
        healed
    }

    fn clients(&self, stopped: &watch::Receiver<bool>) -> JoinSet<()> {
        let mut clients = JoinSet::new();
        let desk = || Desk::new(&self.cluster, self.world.fork_random(), stopped.clone());
        for id in 1..=self.plan.writers {
            clients.spawn(Writer::new(desk(), id).run());
        }
        for id in 1..=self.plan.lessees {
            clients.spawn(Lessee::new(desk(), 100 + id).run());
        }
        for _ in 0..self.plan.watchers {
            clients.spawn(Watcher::new(desk()).run());
        }
        clients
    }

    /// Waits until every member serves. How long that took.
    async fn heal(&self) -> Duration {
        let began = Instant::now();
        loop {
            if self.all_serve().await {
                return began.elapsed();
            }
            if began.elapsed() > healing::HEAL_TIME_MAX {
                let verdict = healing::in_time(began.elapsed(), || self.state());
                self.world.judge(verdict);
                return began.elapsed();
            }
            tokio::time::sleep(LOOK_INTERVAL).await;
        }
    }

    async fn all_serve(&self) -> bool {
        let (_stop, stopped) = watch::channel(false);
        if !self.cluster.lingering().is_empty() {
            return false;
        }
        for id in self.cluster.members() {
            let Some(door) = self.cluster.door(id) else {
                return false;
            };
            let mut desk = Desk::new(&self.cluster, self.world.fork_random(), stopped.clone());
            let range = kv_mvcc::RangeRequest::new(KeyRange::all());
            let answer: Result<_, NoAnswer> = desk
                .ask(&door, |server| async move { server.range(range, false).await })
                .await;
            if answer.is_err() {
                return false;
            }
        }
        true
    }

    /// Waits until all members have applied the same.
    async fn settle(&self) {
        let began = Instant::now();
        while !self.is_settled() {
            if began.elapsed() > healing::HEAL_TIME_MAX {
                let verdict = healing::in_time(began.elapsed(), || self.state());
                self.world.judge(verdict);
                return;
            }
            tokio::time::sleep(LOOK_INTERVAL).await;
        }
    }

    fn is_settled(&self) -> bool {
        let last = LogIndex::new(self.world.truth().last_index());
        let members = self.cluster.members();
        let seats = self.cluster.seats.lock();
        members.iter().all(|id| {
            let status = seats.get(id).and_then(Seat::status);
            status
                .and_then(|status| status.applied)
                .is_some_and(|applied| applied.index >= last)
        })
    }

    fn state(&self) -> String {
        let seats = self.cluster.seats.lock();
        let states = seats
            .iter()
            .map(|(id, seat)| format!("{id}: {:?}", seat.status()));
        states.collect::<Vec<_>>().join("; ")
    }
}
