//! What operators ask of a member or a cluster: alarms, snapshots, hashes, downgrades, space.

use std::sync::Arc;

use kv_machine::{Alarm, AlarmKind, Command, Outcome};
use kv_types::Revision;

use crate::error::RequestError;
use crate::image::{self, SnapshotImage};
use crate::server::{Server, unexpected};
use crate::status::{ETCD_CLUSTER_VERSION, minor_of};

impl Server {
    /// The alarms that are raised, of this kind if one is named.
    ///
    /// # Errors
    /// Whatever keeps a quorum from confirming.
    pub async fn alarms(&self, kind: Option<AlarmKind>) -> Result<Vec<Alarm>, RequestError> {
        self.read_barrier().await?;
        let mut alarms = self.local_alarms();
        alarms.retain(|alarm| kind.is_none_or(|kind| alarm.kind == kind));
        Ok(alarms)
    }

    /// The alarms that this member knows of.
    pub fn local_alarms(&self) -> Vec<Alarm> {
        self.shell().replica.machine().alarms()
    }

    /// Raises an alarm; one that is raised already stays so.
    ///
    /// # Errors
    /// As [`Server::put`].
    pub async fn raise_alarm(&self, alarm: Alarm) -> Result<(), RequestError> {
        match self.shell().propose(Command::RaiseAlarm(alarm)).await? {
            Outcome::Alarm { .. } => Ok(()),
            other => Err(unexpected(&other)),
        }
    }

    /// Disarms an alarm; whether it was raised.
    ///
    /// # Errors
    /// As [`Server::put`].
    pub async fn disarm_alarm(&self, alarm: Alarm) -> Result<bool, RequestError> {
        match self.shell().propose(Command::DisarmAlarm(alarm)).await? {
            Outcome::Alarm { is_raised } => Ok(is_raised),
            other => Err(unexpected(&other)),
        }
    }

    /// Refuses what would add `cost` bytes while there is no space for it. If that is because the quota is used up,
    /// the whole cluster is told, by an alarm that stays when there is space again.
    pub(crate) async fn check_space(&self, cost: u64) -> Result<(), RequestError> {
        let shell = self.shell();
        let checked = shell.check_space(cost);
        if checked.is_err() && shell.is_over_quota(cost) {
            let alarm = Alarm {
                kind: AlarmKind::NoSpace,
                member: shell.options.member_id,
            };
            if !self.local_alarms().contains(&alarm)
                && let Err(error) = self.raise_alarm(alarm).await
            {
                tracing::warn!(%error, "the alarm that there is no space could not be raised");
            }
        }
        checked
    }

    /// A snapshot of what is applied here now, as etcd's are. Reads and writes go on meanwhile.
    ///
    /// # Errors
    /// If the state cannot be read, or there is no space for it on the disk.
    pub async fn snapshot(&self) -> Result<SnapshotImage, RequestError> {
        let shell = self.shell();
        let permit = Arc::clone(&shell.images).acquire_owned().await;
        let permit = permit.map_err(|_| RequestError::Stopped)?;
        let frozen = shell.replica.machine().freeze();
        SnapshotImage::write(frozen, &shell.options.scratch_dir, permit).await
    }

    /// The hash of everything, and the revision it is of.
    ///
    /// # Errors
    /// If the state cannot be read.
    pub async fn hash(&self) -> Result<(u32, Revision), RequestError> {
        let frozen = self.shell().replica.machine().freeze();
        let revision = frozen.view.revision();
        Ok((image::hash(frozen).await?, revision))
    }

    /// Whether the cluster could be downgraded to a version now.
    ///
    /// # Errors
    /// [`RequestError::DowngradeTarget`], [`RequestError::DowngradeInProgress`], or whatever keeps a quorum from
    /// confirming.
    pub async fn validate_downgrade(&self, target: (u64, u64)) -> Result<(), RequestError> {
        self.read_barrier().await?;
        let (major, minor) = minor_of(ETCD_CLUSTER_VERSION);
        if Some(target) != minor.checked_sub(1).map(|minor| (major, minor)) {
            return Err(RequestError::DowngradeTarget);
        }
        match self.shell().replica.machine().downgrade() {
            Some(_) => Err(RequestError::DowngradeInProgress),
            None => Ok(()),
        }
    }

    /// Notes that the cluster is being downgraded. There is one format of data, so that nothing else changes: older
    /// programs are what an operator starts in the place of this one.
    ///
    /// # Errors
    /// As [`Server::validate_downgrade`] and [`Server::put`].
    pub async fn enable_downgrade(&self, target: (u64, u64)) -> Result<(), RequestError> {
        self.validate_downgrade(target).await?;
        let (major, minor) = target;
        self.set_downgrade(Some(format!("{major}.{minor}.0"))).await
    }

    /// Gives a downgrade up, if one is under way.
    ///
    /// # Errors
    /// As [`Server::put`].
    pub async fn cancel_downgrade(&self) -> Result<(), RequestError> {
        self.read_barrier().await?;
        if self.shell().replica.machine().downgrade().is_none() {
            return Ok(());
        }
        self.set_downgrade(None).await
    }

    async fn set_downgrade(&self, target: Option<String>) -> Result<(), RequestError> {
        match self.shell().propose(Command::Downgrade(target)).await? {
            Outcome::Downgrade => Ok(()),
            other => Err(unexpected(&other)),
        }
    }
}
