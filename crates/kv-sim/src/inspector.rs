use std::time::Duration;

use kv_raft::Role;

use crate::cluster::Cluster;
use crate::invariants::log_matching::{self, Log};
use crate::invariants::{applied_committed, leader_completeness, membership, state_hash};
use crate::seat::Seat;

/// How often members are looked at.
const INTERVAL: Duration = Duration::from_millis(100);

/// Logs and states are compared each time out of so many.
const THOROUGH: u64 = 20;

/// Looks at all members now and then, until the simulation ends.
pub(crate) async fn run(cluster: Cluster) {
    for round in 1.. {
        tokio::time::sleep(INTERVAL).await;
        look(&cluster);
        if round % THOROUGH == 0 {
            compare_logs(&cluster);
            check_states(&cluster);
        }
    }
}

fn look(cluster: &Cluster) {
    let mut seats = cluster.seats.lock();
    for (id, seat) in seats.iter_mut() {
        let Some(status) = seat.status() else {
            continue;
        };
        // Before that it has not told of itself.
        if status.last.is_some() {
            cluster.world.judge(applied_committed::check(*id, &status));
            cluster
                .world
                .judge(membership::learners_have_no_vote(*id, &status));
        }
        seat.vote = seat.vote.max(status.vote);
        let leads = status.leadership.role == Role::Leader && status.vote.1.get() == *id;
        if leads && seat.led != status.vote {
            seat.led = status.vote;
            let term = status.vote.0.get();
            cluster.world.note(&format!("member {id} leads in term {term}"));
            check_leader(
                cluster,
                seat,
                status.purged.map_or(0, |purged| purged.index.get()),
            );
        }
    }
}

fn check_leader(cluster: &Cluster, seat: &Seat, purged: u64) {
    if let Some(log) = seat.log() {
        let truth = cluster.world.truth();
        let verdict = leader_completeness::check(&truth, seat.led, &log, purged);
        drop(truth);
        cluster.world.judge(verdict);
    }
}

fn compare_logs(cluster: &Cluster) {
    let seats = cluster.seats.lock();
    let logs: Vec<(u64, Log)> = seats
        .iter()
        .filter_map(|(id, seat)| Some((*id, seat.log()?)))
        .collect();
    drop(seats);
    for (at, (first, log)) in logs.iter().enumerate() {
        for (second, other) in &logs[at + 1..] {
            let verdict = log_matching::check((*first, log), (*second, other));
            cluster.world.judge(verdict);
        }
    }
}

/// All members list the members as they are, once they have applied everything.
pub(crate) fn check_members(cluster: &Cluster) {
    for id in cluster.members() {
        if let Some(door) = cluster.door(id) {
            let told = (door.server.local_members(), door.server.removed_members());
            let verdict = membership::same_members(&cluster.world.truth(), id, &told);
            cluster.world.judge(verdict);
        }
    }
}

/// The whole state of each member is what it should be.
pub(crate) fn check_states(cluster: &Cluster) {
    for id in cluster.running() {
        let readable = cluster.with_disk(id, |disk| !disk.store.is_crashed()) == Some(true);
        if let Some(door) = cluster.door(id).filter(|_| readable) {
            let verdict = state_hash::whole_state(&mut cluster.world.truth(), id, &door.server.view());
            cluster.world.judge(verdict);
        }
    }
}
