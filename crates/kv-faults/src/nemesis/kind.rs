use crate::args::Peer;

/// A kind of fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Kind {
    /// SIGKILL, and started again.
    KillOne,
    KillLeader,
    KillAll,
    /// SIGTERM and start, one member after the other.
    RollingRestart,
    /// SIGSTOP, and SIGCONT.
    PauseOne,
    PauseLeader,
    /// A member reaches neither members nor clients.
    IsolateOne,
    IsolateLeader,
    /// All members are cut from each other.
    IsolateAll,
    /// A member hears the others, who do not hear it.
    OneWay,
    /// A link between two members breaks and heals several times a second.
    Flapping,
    /// Clients do not reach a member, which goes on among its peers.
    CutClients,
    /// Packets are lost on all links.
    Loss,
    /// Packets are late, each by another time.
    Delay,
    /// Packets come twice, and overtake each other.
    Disorder,
    /// Nothing is written any more; who writes waits.
    StallDiskOne,
    StallDiskLeader,
    FullDiskOne,
    FullDiskAll,
}

impl Kind {
    pub(crate) const ALL: [Self; 19] = [
        Self::KillOne,
        Self::KillLeader,
        Self::KillAll,
        Self::RollingRestart,
        Self::PauseOne,
        Self::PauseLeader,
        Self::IsolateOne,
        Self::IsolateLeader,
        Self::IsolateAll,
        Self::OneWay,
        Self::Flapping,
        Self::CutClients,
        Self::Loss,
        Self::Delay,
        Self::Disorder,
        Self::StallDiskOne,
        Self::StallDiskLeader,
        Self::FullDiskOne,
        Self::FullDiskAll,
    ];

    /// As it is printed, and chosen by.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::KillOne => "kill-one",
            Self::KillLeader => "kill-leader",
            Self::KillAll => "kill-all",
            Self::RollingRestart => "rolling-restart",
            Self::PauseOne => "pause-one",
            Self::PauseLeader => "pause-leader",
            Self::IsolateOne => "isolate-one",
            Self::IsolateLeader => "isolate-leader",
            Self::IsolateAll => "isolate-all",
            Self::OneWay => "one-way",
            Self::Flapping => "flapping",
            Self::CutClients => "cut-clients",
            Self::Loss => "loss",
            Self::Delay => "delay",
            Self::Disorder => "disorder",
            Self::StallDiskOne => "stall-disk-one",
            Self::StallDiskLeader => "stall-disk-leader",
            Self::FullDiskOne => "full-disk-one",
            Self::FullDiskAll => "full-disk-all",
        }
    }

    /// Whether it takes the leader away, whoever that is.
    pub(crate) fn takes_leader(self) -> bool {
        matches!(
            self,
            Self::KillLeader | Self::PauseLeader | Self::IsolateLeader | Self::StallDiskLeader
        )
    }

    /// Whether the server may end because of it. kvd refuses writes and goes on; etcd ends.
    pub(crate) fn may_end(self, peer: Peer) -> bool {
        peer == Peer::Etcd && matches!(self, Self::FullDiskOne | Self::FullDiskAll)
    }
}
