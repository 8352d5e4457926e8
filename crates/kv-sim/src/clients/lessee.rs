use std::time::Duration;

use kv_types::LeaseId;

use super::Desk;
use super::request;
use crate::chance;

/// Takes leases, keeps them alive for a while, and lets them end.
pub(crate) struct Lessee {
    desk: Desk,
    id: u64,
    number: u64,
    /// How much of its time a lease is left alone at most.
    patience_percent: u64,
}

impl Lessee {
    pub(crate) fn new(mut desk: Desk, id: u64) -> Self {
        let patience_percent = chance::one_of(&mut desk.random, &[60, 60, 120]);
        Self {
            desk,
            id,
            number: 0,
            patience_percent,
        }
    }

    pub(crate) async fn run(mut self) {
        while !self.desk.is_stopped() {
            if let Some((lease, ttl)) = self.grant().await {
                self.attach(lease).await;
                self.keep(lease, ttl).await;
                if chance::percent(&mut self.desk.random, 30) {
                    self.revoke(lease).await;
                }
            }
            self.desk.think(500).await;
        }
    }

    async fn grant(&mut self) -> Option<(LeaseId, i64)> {
        let door = self.desk.door().await?;
        let asked = i64::try_from(chance::within(&mut self.desk.random, 1..6)).unwrap_or(1);
        let began = self.desk.cluster.world.elapsed();
        let granted = self
            .desk
            .ask(
                &door,
                |server| async move { server.lease_grant(None, asked).await },
            )
            .await
            .ok()?;
        self.promised(granted.id, began, granted.ttl_seconds);
        Some((granted.id, granted.ttl_seconds))
    }

    /// The lease lives for so long, counted from when that was asked for.
    fn promised(&self, lease: LeaseId, began: Duration, ttl_seconds: i64) {
        let until = began + Duration::from_secs(u64::try_from(ttl_seconds).unwrap_or(0));
        let world = &self.desk.cluster.world;
        let verdict = {
            let mut truth = world.truth();
            let known = truth.leases.entry(lease).or_default();
            known.promise(lease, until)
        };
        world.note(&format!(
            "lease {lease} is promised for {ttl_seconds} s from {began:?} on"
        ));
        world.judge(verdict);
        world.checked("lease renewals");
    }

    async fn attach(&mut self, lease: LeaseId) {
        let Some(door) = self.desk.door().await else {
            return;
        };
        self.number += 1;
        let value = request::value(&mut self.desk.random, self.id << 32 | self.number);
        let put = request::put(format!("l/{}", self.id).into(), value, Some(lease));
        // The lease may be over, and the answer lost: what comes of it is checked where it is applied.
        let _ = self
            .desk
            .ask(&door, |server| async move { server.put(put).await })
            .await;
    }

    /// Renews it some times, each in time if all goes well and the client is no careless one.
    async fn keep(&mut self, lease: LeaseId, ttl_seconds: i64) {
        let ttl_millis = u64::try_from(ttl_seconds).unwrap_or(1) * 1000;
        for _ in 0..self.desk.random.below(16) {
            self.desk.think(ttl_millis * self.patience_percent / 100).await;
            let Some(door) = self.desk.door().await else {
                return;
            };
            let began = self.desk.cluster.world.elapsed();
            let renewed = self
                .desk
                .ask(
                    &door,
                    |server| async move { server.lease_keep_alive(lease).await },
                )
                .await;
            match renewed {
                Ok(0) => return,
                Ok(ttl) => self.promised(lease, began, ttl),
                Err(_) => {}
            }
        }
    }

    async fn revoke(&mut self, lease: LeaseId) {
        if let Some(door) = self.desk.door().await {
            // As above.
            let _ = self
                .desk
                .ask(&door, |server| async move { server.lease_revoke(lease).await })
                .await;
        }
    }
}
