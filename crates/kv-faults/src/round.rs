use std::time::Duration;

use anyhow::{Context, Result};
use kv_client::Client;
use kv_proto::etcdserverpb::{CompactionRequest, HashKvRequest, RangeRequest};
use kv_proto::mvccpb::KeyValue;
use kv_tests::Random;
use tokio::time::{sleep, timeout};

use crate::check::{Truth, Verdict, Violation, check};
use crate::clients::{Clock, Recorder, changes, everything};
use crate::cluster::{Cluster, client};
use crate::history::{History, Keys, Operation, Time};
use crate::host::{MEMBERS, Network};
use crate::nemesis::{HEAL_TIMEOUT, Nemesis};
use crate::traffic::Traffic;

/// Leases that nobody renews are over by then: the longest time to live, counted anew by a new leader, and some.
const LEASES_END_TIMEOUT: Duration = Duration::from_secs(30);
const POLL: Duration = Duration::from_millis(200);
/// How long one question to a healed cluster may take.
const QUESTION_TIMEOUT: Duration = Duration::from_secs(30);

/// The state that a round begins with.
#[derive(Debug)]
pub(crate) struct Start {
    pub(crate) revision: i64,
    pub(crate) state: Vec<KeyValue>,
    /// Writes of earlier rounds that may still happen.
    pub(crate) open: Vec<Operation>,
}

/// What came of a round.
#[derive(Debug)]
pub(crate) struct Report {
    pub(crate) operations: usize,
    pub(crate) unknown: usize,
    pub(crate) events: usize,
    pub(crate) verdict: Verdict,
    pub(crate) next: Start,
}

/// One round: traffic with faults until a time, healing, and the check.
///
/// # Errors
/// If the round cannot be carried through, which is no violation by itself.
pub(crate) async fn round(
    number: u64,
    start: Start,
    cluster: &mut Cluster,
    network: &Network,
    nemesis: &mut Nemesis,
    clock: Clock,
    until: Time,
) -> Result<Report> {
    let mut random = Random::new(nemesis.random.draw());
    let recorder = Recorder::new(clock);
    let mut traffic = Traffic::start(number, start.revision, &recorder, &mut random)?;
    let compaction = tokio::task::spawn_local(compact(client(None)?, start.revision));
    nemesis.run(cluster, network, &recorder, until).await?;
    let mut violations = Vec::from_iter(settle(cluster, &recorder, clock).await);
    traffic.stop_writing().await?;
    compaction.await?;
    violations.extend(leases_end().await);

    let (last, state) = question(everything(&client(None)?)).await?;
    let watches = traffic.stop_watching(last).await?;
    let mut history = recorder.take();
    history.watches = watches;
    violations.extend(hashes(cluster, last).await?);
    let told = tell(cluster, start.revision, last).await?;
    let operations = history.operations.len() + history.leases.len();
    let unknown = history
        .operations
        .iter()
        .filter(|operation| operation.answered().is_none())
        .count();
    let events = told.first().map_or(0, Vec::len);
    let work =
        tokio::task::spawn_blocking(move || judge(start, last, &state, told, &history).map(|v| (v, state)));
    let (mut verdict, state) = match work.await? {
        Ok(judged) => judged,
        Err(violation) => {
            violations.push(violation);
            let (_, state) = question(everything(&client(None)?)).await?;
            (Verdict::default(), state)
        }
    };
    violations.append(&mut verdict.violations);
    verdict.violations = violations;
    let next = Start {
        revision: last,
        state,
        open: std::mem::take(&mut verdict.open),
    };
    Ok(Report {
        operations,
        unknown,
        events,
        verdict,
        next,
    })
}

/// Forgets the history before the round, in the middle of the faults.
async fn compact(client: Client, revision: i64) {
    sleep(Duration::from_secs(5)).await;
    let request = CompactionRequest {
        revision,
        physical: false,
    };
    // Whether it succeeds is no matter: no answer of the round depends on it.
    let _ = client.compact(request).await;
}

/// Waits until all members acknowledge writes.
async fn settle(cluster: &Cluster, recorder: &Recorder, clock: Clock) -> Option<Violation> {
    let since = clock.now();
    for _ in 0..HEAL_TIMEOUT.as_millis() / POLL.as_millis() {
        let served = |member| recorder.first_write_since(since, Some(member)).is_some();
        if (0..cluster.members.len()).all(served) {
            return None;
        }
        sleep(POLL).await;
    }
    let detail = format!("not every member acknowledges writes {HEAL_TIMEOUT:?} after all faults");
    Some(Violation::new("the cluster heals", detail))
}

/// Waits until no key hangs on a lease any more.
async fn leases_end() -> Option<Violation> {
    let leased = async || -> Result<usize> {
        let keys = Keys::prefix("l/");
        let request = RangeRequest {
            key: keys.from,
            range_end: keys.to,
            ..RangeRequest::default()
        };
        Ok(client(None)?.range(request).await?.kvs.len())
    };
    let mut left = leased().await;
    for _ in 0..LEASES_END_TIMEOUT.as_millis() / POLL.as_millis() {
        if matches!(left, Ok(0)) {
            return None;
        }
        sleep(POLL).await;
        left = leased().await;
    }
    let detail = format!("keys left {LEASES_END_TIMEOUT:?} after the last renewal: {left:?}");
    Some(Violation::new("a lease ends when nobody renews it", detail))
}

async fn question<T>(asked: impl Future<Output = Result<T>>) -> Result<T> {
    timeout(QUESTION_TIMEOUT, asked)
        .await
        .context("a healed cluster answers")?
}

/// Compares the members' hashes of all history up to a revision.
async fn hashes(cluster: &Cluster, revision: i64) -> Result<Option<Violation>> {
    let mut hashes = Vec::new();
    for member in 0..MEMBERS {
        // A linearizable read: the member has applied everything then.
        question(everything(cluster.client(member))).await?;
        let hash = cluster.client(member).hash_kv(HashKvRequest { revision }).await?;
        hashes.push((hash.compact_revision, hash.hash));
    }
    let equal = hashes.windows(2).all(|pair| pair[0] == pair[1]);
    Ok((!equal).then(|| {
        Violation::new(
            "members have the same state",
            format!("at {revision}: {hashes:?}"),
        )
    }))
}

type Told = Vec<kv_proto::mvccpb::Event>;

/// What each member tells of the round's history.
async fn tell(cluster: &Cluster, first: i64, last: i64) -> Result<Vec<Told>> {
    let mut told = Vec::new();
    for member in 0..MEMBERS {
        let mut events = question(changes(cluster.client(member), first + 1, last)).await?;
        events.retain(|event| event.kv.as_ref().is_none_or(|kv| kv.mod_revision <= last));
        told.push(events);
    }
    Ok(told)
}

fn judge(
    start: Start,
    last: i64,
    state: &[KeyValue],
    told: Vec<Told>,
    history: &History,
) -> Result<Verdict, Violation> {
    let mut truth = Truth::new(start.revision, start.state);
    let mut told = told.into_iter();
    let first = told.next().unwrap_or_default();
    for (member, other) in told.enumerate() {
        if other != first {
            let place = first.iter().zip(&other).find(|(one, other)| one != other);
            let detail = format!("m0 and m{} tell different histories: {place:?}", member + 1);
            return Err(Violation::new("members tell the same history", detail));
        }
    }
    truth.extend(first)?;
    if truth.last() != last || truth.at(&Keys::all(), last) != state {
        let detail = format!("history ends at {}, the keys were read at {last}", truth.last());
        return Err(Violation::new("history leads to the state there is", detail));
    }
    Ok(check(&truth, history, start.open))
}
