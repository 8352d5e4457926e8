//! The task that watches over a member: who leads and whether it is alive, when a snapshot is due, whether the disk
//! keeps up.

use std::sync::{Arc, Weak};
use std::time::Duration;

use kv_types::{MemberId, Term};
use openraft::async_runtime::WatchReceiver;
use openraft::metrics::RaftServerMetrics;
use openraft::{Instant as _, ServerState};
use openraft_rt_tokio::TokioWatchReceiver;
use tokio::time::Instant;

use crate::codec;
use crate::core::{Core, Metrics};
use crate::heard::Heard;
use crate::host;
use crate::membership;
use crate::transport::Call;
use crate::types::TypeConfig;
use crate::{Leadership, Role, SnapshotError};

/// How often it is looked whether a snapshot is due, or the disk keeps up.
const CHORES_INTERVAL: Duration = Duration::from_millis(100);

/// A member gets its vote when it lacks no more than this many committed entries: it has them in a moment.
const VOTE_LAG_MAX: u64 = 1000;

/// How long after a snapshot failed the next is tried.
const SNAPSHOT_RETRY_INTERVAL: Duration = Duration::from_secs(5);

/// While a snapshot is being sent, this many times more log may gather before the next is made: the log that follows
/// the one under way must not be purged.
const SENDING_PATIENCE: u64 = 4;

type ServerMetrics = TokioWatchReceiver<RaftServerMetrics<TypeConfig>>;

/// Starts the tasks; they end with Raft, or with `core`.
pub(crate) fn spawn(core: &Arc<Core>) {
    tokio::spawn(watch_leadership(
        Arc::downgrade(core),
        core.openraft.server_metrics(),
        Arc::clone(&core.heard),
    ));
    tokio::spawn(do_chores(Arc::downgrade(core)));
}

async fn watch_leadership(core: Weak<Core>, mut changes: ServerMetrics, heard: Arc<Heard>) {
    let interval = core
        .upgrade()
        .map_or(CHORES_INTERVAL, |core| core.options.heartbeat_interval);
    let mut led_since: Option<(u64, Instant)> = None;
    let mut removed_since: Option<Instant> = None;
    loop {
        {
            let Some(core) = core.upgrade() else {
                return;
            };
            note_members(&core);
            let seen = core.metrics(|metrics| leadership(&core, metrics, &mut led_since));
            core.leadership.send_if_modified(|known| {
                let changed = *known != seen && known.role != Role::Stopped;
                if changed {
                    tracing::info!(
                        leader = ?seen.leader.map(|leader| leader.to_string()),
                        raft_term = seen.term.get(),
                        role = ?seen.role,
                        "leadership changed"
                    );
                    *known = seen;
                }
                changed
            });
            if seen.role == Role::Stopped {
                return;
            }
            if core.machine.is_removed(core.options.member) {
                let since = *removed_since.get_or_insert_with(Instant::now);
                // A leader has others to lead after it, but it cannot wait for ever.
                if seen.role != Role::Leader || since.elapsed() > 2 * core.options.election_timeout {
                    core.removed
                        .send_if_modified(|removed| !std::mem::replace(removed, true));
                }
            }
        }
        let gone = tokio::select! {
            changed = changes.changed() => changed.is_err(),
            () = heard.again() => false,
            () = tokio::time::sleep(interval) => false,
        };
        if gone {
            // The Raft core is gone; what it has left behind may not say so.
            if let Some(core) = core.upgrade() {
                core.leadership.send_modify(|known| {
                    *known = Leadership {
                        leader: None,
                        role: Role::Stopped,
                        ..*known
                    }
                });
            }
            return;
        }
    }
}

/// Takes note of where the members are and who of them answers.
fn note_members(core: &Core) {
    core.metrics(|metrics| {
        core.addresses.set(metrics.membership_config.membership());
        let answering =
            metrics.heartbeat.iter().flatten().filter(|(_, acked)| {
                acked.is_some_and(|acked| acked.elapsed() <= core.options.election_timeout)
            });
        let nodes = metrics.membership_config.membership().nodes();
        let me = core.options.member.get();
        let others = nodes.map(|(id, _)| *id).filter(|id| *id != me);
        let term = (metrics.state == ServerState::Leader).then_some(metrics.current_term);
        core.contacts.lock().note(
            Instant::now(),
            term,
            2 * core.options.election_timeout,
            others,
            answering.map(|(id, _)| *id),
        );
    });
}

fn leadership(core: &Core, metrics: &Metrics, led_since: &mut Option<(u64, Instant)>) -> Leadership {
    let me = core.options.member.get();
    let now = Instant::now();
    let role = match metrics.state {
        ServerState::Learner => Role::Learner,
        ServerState::Follower => Role::Follower,
        ServerState::Candidate => Role::Candidate,
        ServerState::Leader => Role::Leader,
        ServerState::Shutdown => Role::Stopped,
    };
    if role == Role::Leader {
        led_since.get_or_insert((metrics.current_term, now));
        if led_since.is_some_and(|(term, _)| term != metrics.current_term) {
            *led_since = Some((metrics.current_term, now));
        }
    } else {
        *led_since = None;
    }
    let leader = metrics.current_leader.filter(|leader| {
        let alive = if *leader == me {
            let alone = metrics.membership_config.voter_ids().eq([me]);
            let acked = metrics.last_quorum_acked.map(|acked| now - acked.elapsed());
            let acked = acked.max(led_since.map(|(_, since)| since));
            let recent = |acked| now.saturating_duration_since(acked) <= core.options.election_timeout;
            alone || acked.is_some_and(recent)
        } else {
            core.heard.recently()
        };
        metrics.current_term > 0 && role != Role::Stopped && alive
    });
    Leadership {
        leader: leader.map(MemberId::new),
        term: Term::new(metrics.current_term),
        role,
    }
}

async fn do_chores(core: Weak<Core>) {
    let mut snapshot_after = Instant::now();
    let mut ask_after = snapshot_after;
    let mut interval = tokio::time::interval(CHORES_INTERVAL);
    interval.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        interval.tick().await;
        let Some(core) = core.upgrade() else {
            return;
        };
        if core.leadership.borrow().role == Role::Stopped {
            return;
        }
        hand_over_if_stalled(&core).await;
        if let Some(id) = caught_up(&core) {
            core.give_vote(id).await;
        }
        if Instant::now() >= ask_after && !core.heard.recently() {
            ask_whether_removed(&core);
            ask_after = Instant::now() + core.options.election_timeout;
        }
        if Instant::now() < snapshot_after || !snapshot_is_due(&core) {
            continue;
        }
        if let Err(error) = snapshot(&core).await {
            tracing::error!(%error, "snapshot failed");
            snapshot_after = Instant::now() + SNAPSHOT_RETRY_INTERVAL;
        }
    }
}

/// A leader whose disk has not finished anything for an election timeout is none its followers should wait for.
async fn hand_over_if_stalled(core: &Core) {
    let stalled = core.log.stalled_for();
    if stalled <= core.options.election_timeout {
        return;
    }
    if let Some(successor) = successor(core) {
        let elapsed_ms = u64::try_from(stalled.as_millis()).unwrap_or(u64::MAX);
        tracing::warn!(elapsed_ms, member_id = %successor, "disk stalls, handing over the leadership");
        // Stopped meanwhile: then there is nothing to hand over.
        let _ = core.openraft.trigger().transfer_leader(successor.get()).await;
    }
}

/// A member that is to have a vote and waits for nothing else any more.
fn caught_up(core: &Core) -> Option<u64> {
    core.metrics(|metrics| {
        if metrics.state != ServerState::Leader {
            return None;
        }
        let committed = metrics.local_committed?.index();
        let replication = metrics.replication.as_ref()?;
        let heartbeats = metrics.heartbeat.as_ref()?;
        let alive = |id: &u64| {
            let acked = heartbeats.get(id).copied().flatten();
            acked.is_some_and(|acked| acked.elapsed() <= core.options.election_timeout)
        };
        let follows = |id: &u64| {
            let matched = replication.get(id).copied().flatten();
            matched.is_some_and(|matched| matched.index().saturating_add(VOTE_LAG_MAX) >= committed)
        };
        membership::without_vote(metrics.membership_config.membership()).find(|id| alive(id) && follows(id))
    })
}

/// A member that was removed hears nothing any more, and of the others nobody has a reason to tell it. So one that
/// hears nothing asks; what matters is that they refuse to answer.
fn ask_whether_removed(core: &Core) {
    let me = core.options.member.get();
    let others: Vec<u64> = core.metrics(|metrics| {
        let nodes = metrics.membership_config.membership().nodes();
        nodes.map(|(id, _)| *id).filter(|id| *id != me).collect()
    });
    if core.metrics(|metrics| metrics.state) == ServerState::Leader {
        return;
    }
    for peer in others.into_iter().filter_map(|id| core.peer(id)) {
        let message = codec::encode_read_index_request();
        let asking = core
            .transport
            .call(&peer, Call::ReadIndex, message, core.options.election_timeout);
        tokio::spawn(asking);
    }
}

/// The voter that has most of the log, if this member leads and there is another that is alive.
pub(crate) fn successor(core: &Core) -> Option<MemberId> {
    let me = core.options.member.get();
    core.metrics(|metrics| {
        if metrics.state != ServerState::Leader {
            return None;
        }
        let heartbeats = metrics.heartbeat.as_ref()?;
        let alive = |id: &u64| {
            let acked = heartbeats.get(id).copied().flatten();
            acked.is_some_and(|acked| acked.elapsed() <= core.options.election_timeout)
        };
        let voters = metrics.membership_config.voter_ids().filter(|id| *id != me);
        let replication = metrics.replication.as_ref()?;
        let matched = |id: &u64| replication.get(id).copied().flatten();
        voters.filter(alive).max_by_key(matched).map(MemberId::new)
    })
}

fn snapshot_is_due(core: &Core) -> bool {
    let index = |log_id: Option<crate::types::LogId>| log_id.map_or(0, |log_id| log_id.index());
    let applied = index(*core.progress.applied.borrow());
    let snapshot = core.metrics(|metrics| index(metrics.snapshot));
    let patience = if core.sending.is_active() {
        SENDING_PATIENCE
    } else {
        1
    };
    let entries = applied.saturating_sub(snapshot);
    entries >= core.options.snapshot_count.saturating_mul(patience)
        || (entries > 0
            && core.log.bytes_since(snapshot) >= core.options.snapshot_bytes.saturating_mul(patience))
}

/// Makes a snapshot, off the runtime, and lets openraft know, which purges the log up to it, less a tail.
pub(crate) async fn snapshot(core: &Arc<Core>) -> Result<(), SnapshotError> {
    let _snapshotting = core.snapshotting.lock().await;
    let machine = Arc::clone(&core.machine);
    let made = host::blocking(move || machine.snapshot())
        .await
        .map_err(SnapshotError::new)??;
    let last = made.meta().log_id.index.get();
    tracing::info!(snapshot = made.meta().id, log_index = last, "made snapshot");
    let stopped = |_| SnapshotError::new("raft has stopped");
    core.made.put(made);
    core.openraft.trigger().snapshot().await.map_err(stopped)?;
    wait_for_snapshot(core, last).await;
    // openraft keeps a number of entries; large ones should not stay.
    if let Some(up_to) = core.log.start_of_tail(last, core.options.catchup_bytes)
        && last.saturating_sub(up_to) < core.options.catchup_entries
    {
        core.openraft.trigger().purge_log(up_to).await.map_err(stopped)?;
    }
    Ok(())
}

/// Waits until openraft knows of the snapshot: it purges nothing beyond the one it knows.
async fn wait_for_snapshot(core: &Core, index: u64) {
    let knows = |metrics: &Metrics| metrics.snapshot.is_some_and(|snapshot| snapshot.index() >= index);
    // If it comes to nothing, the next snapshot purges what stays.
    let _ = core
        .openraft
        .wait(Some(SNAPSHOT_RETRY_INTERVAL))
        .metrics(knows, "snapshot is known")
        .await;
}
