use std::time::Duration;

use kv_server::{RequestError, Server};
use kv_wal::faulty::Random;
use tokio::sync::watch;

use crate::chance;
use crate::cluster::Cluster;
use crate::seat::Door;

/// A client that waits longer than this gives up.
const PATIENCE: Duration = Duration::from_secs(9);

/// How long a client waits until it asks elsewhere.
const RETRY_PAUSE: Duration = Duration::from_millis(20);

/// Where a client asks: one member at a time.
pub(crate) struct Desk {
    pub(crate) cluster: Cluster,
    pub(crate) random: Random,
    stop: watch::Receiver<bool>,
    member: u64,
}

/// Why there is no answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum NoAnswer {
    /// The server says so.
    Error(RequestError),
    /// The member is down, or was silent for too long.
    Lost,
}

impl Desk {
    pub(crate) fn new(cluster: &Cluster, random: Random, stop: watch::Receiver<bool>) -> Self {
        Self {
            cluster: cluster.clone(),
            random,
            stop,
            member: 1,
        }
    }

    pub(crate) fn is_stopped(&self) -> bool {
        *self.stop.borrow()
    }

    /// Returns when clients are to end.
    pub(crate) async fn stopped(&self) {
        let mut stop = self.stop.clone();
        // An error means the end, too.
        let _ = stop.wait_for(|stop| *stop).await;
    }

    /// Goes to any member.
    pub(crate) fn move_on(&mut self) {
        let ids = self.cluster.ids();
        if !ids.is_empty() {
            self.member = chance::one_of(&mut self.random, &ids);
        }
    }

    pub(crate) async fn think(&mut self, millis_max: u64) {
        let pause = chance::millis(&mut self.random, 0..millis_max);
        tokio::time::sleep(pause).await;
    }

    /// The member it goes to, once it runs; none if clients are to end.
    pub(crate) async fn door(&mut self) -> Option<Door> {
        while !self.is_stopped() {
            if let Some(door) = self.cluster.door(self.member) {
                return Some(door);
            }
            self.move_on();
            tokio::time::sleep(RETRY_PAUSE).await;
        }
        None
    }

    /// Asks a member; after no answer the next request goes elsewhere. The request reaches the member a little later,
    /// and so does its answer, or never.
    pub(crate) async fn ask<T, F>(
        &mut self,
        door: &Door,
        request: impl FnOnce(Server) -> F,
    ) -> Result<T, NoAnswer>
    where
        F: Future<Output = Result<T, RequestError>>,
    {
        let mut down = door.down.clone();
        let [there, back] = [
            chance::millis(&mut self.random, 0..3),
            chance::millis(&mut self.random, 0..3),
        ];
        let exchange = async {
            tokio::time::sleep(there).await;
            let answer = request(door.server.clone()).await;
            tokio::time::sleep(back).await;
            answer
        };
        let answer = tokio::select! {
            biased;
            _ = down.wait_for(|down| *down) => Err(NoAnswer::Lost),
            answer = tokio::time::timeout(PATIENCE, exchange) => match answer {
                Ok(answer) => answer.map_err(NoAnswer::Error),
                Err(_) => Err(NoAnswer::Lost),
            },
        };
        if matches!(&answer, Err(NoAnswer::Lost | NoAnswer::Error(_))) {
            self.move_on();
        }
        answer
    }
}
