use std::time::Duration;

use anyhow::Result;
use kv_tests::Random;
use tokio::time::{Instant, sleep};

use crate::cluster::Cluster;
use crate::host::{CLIENTS, DiskFault, Link, MEMBERS, Network};
use crate::nemesis::Kind;

const CUT: Link = Link {
    cut: true,
    loss: 0,
    doubled: 0,
    overtaken: 0,
    delay: Duration::ZERO,
    jitter: Duration::ZERO,
};
/// Between two turns of a flapping link.
const FLAP: Duration = Duration::from_millis(150);

/// One fault upon certain members.
#[derive(Debug)]
pub(crate) struct Act {
    kind: Kind,
    victims: Vec<usize>,
    /// For links that are shaped.
    shape: Link,
}

impl Act {
    /// Chooses whom the fault hits and how hard.
    pub(crate) async fn choose(kind: Kind, cluster: &Cluster, random: &mut Random) -> Result<Self> {
        let victims = match kind {
            Kind::KillAll | Kind::RollingRestart | Kind::IsolateAll | Kind::FullDiskAll => {
                (0..MEMBERS).collect()
            }
            _ if kind.takes_leader() => vec![cluster.leader().await?],
            _ => vec![usize::try_from(random.below(MEMBERS as u64))?],
        };
        let shape = match kind {
            Kind::Loss => Link {
                loss: 20 + random.below(180),
                ..Link::default()
            },
            Kind::Delay => Link {
                delay: Duration::from_millis(10 + random.below(90)),
                jitter: Duration::from_millis(random.below(50)),
                ..Link::default()
            },
            _ => Link {
                doubled: 50 + random.below(200),
                overtaken: 50 + random.below(200),
                ..Link::default()
            },
        };
        Ok(Self { kind, victims, shape })
    }

    /// Whether it sets all links.
    pub(crate) fn shapes_links(&self) -> bool {
        !matches!(
            self.kind,
            Kind::KillOne
                | Kind::KillLeader
                | Kind::KillAll
                | Kind::PauseOne
                | Kind::PauseLeader
                | Kind::StallDiskOne
                | Kind::StallDiskLeader
                | Kind::FullDiskOne
                | Kind::FullDiskAll
        )
    }

    pub(crate) async fn begin(&self, cluster: &mut Cluster, network: &Network) -> Result<()> {
        match self.kind {
            Kind::Loss | Kind::Delay | Kind::Disorder => self.shape_all(network),
            Kind::RollingRestart => return self.restart_in_turn(cluster).await,
            Kind::Flapping => {}
            _ => {
                for victim in &self.victims {
                    self.strike(*victim, cluster, network).await?;
                }
            }
        }
        Ok(())
    }

    async fn strike(&self, victim: usize, cluster: &mut Cluster, network: &Network) -> Result<()> {
        let member = &mut cluster.members[victim];
        let others = (0..MEMBERS).filter(|other| *other != victim);
        match self.kind {
            Kind::KillOne | Kind::KillLeader | Kind::KillAll => member.kill().await?,
            Kind::PauseOne | Kind::PauseLeader => member.pause().await?,
            Kind::StallDiskOne | Kind::StallDiskLeader => member.disk.break_by(DiskFault::Stalled).await?,
            Kind::FullDiskOne | Kind::FullDiskAll => member.disk.break_by(DiskFault::Full).await?,
            Kind::OneWay => others.for_each(|other| network.set(victim, other, CUT)),
            Kind::CutClients => cut(network, victim, CLIENTS),
            Kind::IsolateAll => others.for_each(|other| cut(network, victim, other)),
            Kind::IsolateOne | Kind::IsolateLeader => {
                others
                    .chain([CLIENTS])
                    .for_each(|other| cut(network, victim, other));
            }
            Kind::RollingRestart | Kind::Flapping | Kind::Loss | Kind::Delay | Kind::Disorder => {}
        }
        Ok(())
    }

    fn shape_all(&self, network: &Network) {
        for from in 0..=CLIENTS {
            for to in 0..=CLIENTS {
                network.set(from, to, self.shape);
            }
        }
    }

    async fn restart_in_turn(&self, cluster: &mut Cluster) -> Result<()> {
        for victim in &self.victims {
            let member = &mut cluster.members[*victim];
            member.stop().await?;
            member.start()?;
            member.ready().await?;
        }
        Ok(())
    }

    /// Lets it last.
    pub(crate) async fn hold(&self, network: &Network, duration: Duration) {
        if self.kind != Kind::Flapping {
            return sleep(duration).await;
        }
        let end = Instant::now() + duration;
        let other = (self.victims[0] + 1) % MEMBERS;
        while Instant::now() < end {
            cut(network, self.victims[0], other);
            sleep(FLAP).await;
            network.mend();
            sleep(FLAP).await;
        }
    }

    pub(crate) async fn end(&self, cluster: &mut Cluster, network: &Network) -> Result<()> {
        if self.shapes_links() {
            network.mend();
        }
        for victim in &self.victims {
            let member = &mut cluster.members[*victim];
            match self.kind {
                Kind::KillOne | Kind::KillLeader | Kind::KillAll => member.start()?,
                Kind::PauseOne | Kind::PauseLeader => member.resume().await?,
                Kind::StallDiskOne | Kind::StallDiskLeader => member.disk.mend(DiskFault::Stalled).await?,
                Kind::FullDiskOne | Kind::FullDiskAll => member.disk.mend(DiskFault::Full).await?,
                _ => {}
            }
        }
        Ok(())
    }
}

/// Cuts a link in both directions.
fn cut(network: &Network, one: usize, other: usize) {
    network.set(one, other, CUT);
    network.set(other, one, CUT);
}
