use std::time::Duration;

use kv_machine::Member;
use kv_server::{MemberChange, RequestError};
use kv_types::MemberId;

use super::Fault;
use crate::chance;
use crate::cluster::End;
use crate::invariants::membership;

/// There are no more members than this.
const MEMBERS_MAX: usize = 6;

/// How long an answer is waited for.
const PATIENCE: Duration = Duration::from_secs(9);

/// What is known of a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Known {
    Made,
    Refused,
    Nothing,
}

impl Fault {
    /// A member is added, promoted or removed, or one loses its disk and is replaced.
    pub(super) async fn change_members(mut self) {
        let turn = std::sync::Arc::clone(&self.cluster.membership);
        let Ok(_turn) = turn.try_lock() else {
            return;
        };
        let members = self.cluster.world.truth().members();
        let learner = members
            .iter()
            .find(|member| member.learner)
            .map(|member| member.id);
        match self.random.below(8) {
            0..2 if members.len() < MEMBERS_MAX => {
                let learner = learner.is_none() && chance::percent(&mut self.random, 60);
                self.add(learner).await;
            }
            2..4 => match learner {
                Some(learner) => self.promote(learner).await,
                None if members.len() < MEMBERS_MAX => self.add(true).await,
                None => {}
            },
            4..6 => self.remove(&members).await,
            _ => self.lose_disk(&members).await,
        }
    }

    async fn add(&mut self, learner: bool) {
        let Ok(id) = self.cluster.new_seat() else {
            return;
        };
        let change = MemberChange::Add {
            id: MemberId::new(id),
            peer_urls: vec![format!("http://member-{id}:2380")],
            learner,
        };
        let known = self.ask(&change).await;
        if known == Known::Refused {
            return;
        }
        self.fault("member added", &format!("{id} learner: {learner} {known:?}"));
        // Some are started late.
        self.wait(0..3000).await;
        self.cluster.set_retired(id, false);
        self.cluster.start(id).await;
    }

    async fn promote(&mut self, id: MemberId) {
        if self.ask(&MemberChange::Promote(id)).await == Known::Made {
            self.fault("member promoted", &id.to_string());
        }
    }

    async fn remove(&mut self, members: &[Member]) {
        let voters = members.iter().filter(|member| !member.learner).count();
        let gone = members[chance::index(&mut self.random, members.len())].id;
        if voters < 2 {
            return;
        }
        let known = self.ask(&MemberChange::Remove(gone)).await;
        if known != Known::Refused {
            self.fault("member removed", &format!("{gone} {known:?}"));
        }
    }

    /// A member loses its disk for good, and is removed; another one takes its place.
    async fn lose_disk(&mut self, members: &[Member]) {
        let status = self
            .cluster
            .leader()
            .and_then(|leader| self.cluster.raft(leader))
            .map(|raft| raft.status());
        // What a quorum has must be left in one of the others.
        let settled = status.is_some_and(|status| {
            let voters = members.iter().filter(|member| !member.learner).count();
            status.voters.len() == voters && voters >= 3
        });
        if !settled {
            return;
        }
        let gone = members[chance::index(&mut self.random, members.len())].id;
        self.fault("disk lost", &gone.to_string());
        self.cluster.set_retired(gone.get(), true);
        self.cluster.end(gone.get(), End::Power);
        let is_removed = |fault: &Self| fault.cluster.world.truth().removed_members().contains(&gone);
        while !is_removed(self) {
            self.wait(200..1500).await;
            self.ask(&MemberChange::Remove(gone)).await;
        }
        self.add(false).await;
    }

    /// Asks any member that runs.
    async fn ask(&mut self, change: &MemberChange) -> Known {
        let running = self.cluster.running();
        if running.is_empty() {
            return Known::Refused;
        }
        let id = chance::one_of(&mut self.random, &running);
        let Some(mut door) = self.cluster.door(id) else {
            return Known::Refused;
        };
        let answer = tokio::select! {
            biased;
            _ = door.down.wait_for(|down| *down) => return Known::Nothing,
            answer = tokio::time::timeout(PATIENCE, door.server.change_members(change.clone())) => answer,
        };
        let known = match answer {
            Ok(Ok(_)) => Known::Made,
            Ok(Err(RequestError::Member(_))) => Known::Refused,
            Ok(Err(_)) | Err(_) => return Known::Nothing,
        };
        self.cluster.world.checked("membership changes");
        let verdict = membership::answered(&self.cluster.world.truth(), change, known == Known::Made);
        self.cluster.world.judge(verdict);
        known
    }
}
