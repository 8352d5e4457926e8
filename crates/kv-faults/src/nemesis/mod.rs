//! What brings faults, one or two at a time, and takes the times.

mod act;
mod kind;
mod times;

use std::time::Duration;

use anyhow::Result;
use kv_tests::Random;
use tokio::time::sleep;

pub(crate) use kind::Kind;
pub(crate) use times::Times;

use crate::args::Peer;
use crate::check::Violation;
use crate::clients::Recorder;
use crate::cluster::Cluster;
use crate::history::Time;
use crate::host::{MEMBERS, Network};
use crate::nemesis::act::Act;

/// After the end of a fault every member acknowledges writes again within this time.
pub(crate) const HEAL_TIMEOUT: Duration = Duration::from_secs(40);
/// How long a fault lasts: at least, and at most.
const FAULT_MILLIS: (u64, u64) = (500, 5000);
const POLL: Duration = Duration::from_millis(20);

/// Brings faults upon a cluster.
pub(crate) struct Nemesis {
    pub(crate) kinds: Vec<Kind>,
    pub(crate) random: Random,
    pub(crate) peer: Peer,
    pub(crate) times: Times,
    pub(crate) violations: Vec<Violation>,
    /// Kinds that had their turn since all of them had.
    pub(crate) had: Vec<Kind>,
}

impl Nemesis {
    /// Brings faults until the time has come; all have ended then.
    ///
    /// # Errors
    /// If a fault cannot be made or ended, or a member does not start.
    pub(crate) async fn run(
        &mut self,
        cluster: &mut Cluster,
        network: &Network,
        recorder: &Recorder,
        until: Time,
    ) -> Result<()> {
        while recorder.clock.now() < until {
            let kind = self.next_kind();
            let act = Act::choose(kind, cluster, &mut self.random).await?;
            let begun = recorder.clock.now();
            act.begin(cluster, network).await?;
            let second = self.second(&act, cluster, network).await?;
            act.hold(network, self.duration()).await;
            if let Some(second) = second {
                second.end(cluster, network).await?;
            }
            act.end(cluster, network).await?;
            let ended = recorder.clock.now();
            self.revive(cluster, kind).await?;
            // Sometimes the next fault comes before the cluster has healed.
            if self.random.below(4) > 0 {
                self.heal(recorder, kind, begun, ended).await;
                sleep(Duration::from_millis(self.random.below(500))).await;
            }
        }
        Ok(())
    }

    /// All kinds have their turn before one comes again.
    fn next_kind(&mut self) -> Kind {
        let left: Vec<Kind> = self
            .kinds
            .iter()
            .copied()
            .filter(|kind| !self.had.contains(kind))
            .collect();
        let left = if left.is_empty() {
            self.had.clear();
            self.kinds.clone()
        } else {
            left
        };
        let kind = left[self.below(left.len())];
        self.had.push(kind);
        self.times.count(kind);
        kind
    }

    /// Another fault at the same time, now and then.
    async fn second(&mut self, first: &Act, cluster: &mut Cluster, network: &Network) -> Result<Option<Act>> {
        const COMPANIONS: [Kind; 3] = [Kind::Loss, Kind::Delay, Kind::Disorder];
        if self.random.below(4) > 0 || first.shapes_links() || self.kinds.len() < Kind::ALL.len() {
            return Ok(None);
        }
        let kind = COMPANIONS[self.below(COMPANIONS.len())];
        self.times.count(kind);
        let act = Act::choose(kind, cluster, &mut self.random).await?;
        act.begin(cluster, network).await?;
        Ok(Some(act))
    }

    fn duration(&mut self) -> Duration {
        let (least, most) = FAULT_MILLIS;
        Duration::from_millis(least + self.random.below(most - least))
    }

    fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.random.below(bound as u64)).unwrap_or(0)
    }

    /// Starts members that ended by themselves, which none should.
    async fn revive(&mut self, cluster: &mut Cluster, kind: Kind) -> Result<()> {
        for member in &mut cluster.members {
            if let Some(words) = member.last_words().await {
                if !kind.may_end(self.peer) {
                    let detail = format!("m{} under {}:\n{words}", member.index, kind.name());
                    self.violations
                        .push(Violation::new("no member ends by itself", detail));
                }
                member.start()?;
                member.ready().await?;
            }
        }
        Ok(())
    }

    /// Waits until every member acknowledges writes that were asked for after the fault.
    async fn heal(&mut self, recorder: &Recorder, kind: Kind, begun: Time, ended: Time) {
        for _ in 0..HEAL_TIMEOUT.as_millis() / POLL.as_millis() {
            let first = |member| recorder.first_write_since(ended, Some(member));
            let all: Option<Vec<Time>> = (0..MEMBERS).map(first).collect();
            if let Some(healed) = all.and_then(|times| times.into_iter().max()) {
                self.times.healed(kind, healed - ended);
                if kind.takes_leader() {
                    self.times
                        .interrupted(kind, recorder.longest_pause(begun, healed));
                }
                return;
            }
            sleep(POLL).await;
        }
        let detail = format!(
            "not every member acknowledges writes {HEAL_TIMEOUT:?} after {}",
            kind.name()
        );
        self.violations.push(Violation::new("the cluster heals", detail));
    }
}
