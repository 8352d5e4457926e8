use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::{Context, Result};
use kv_tests::Random;
use tokio::sync::watch;
use tokio::task::{JoinHandle, spawn_local};
use tokio::time::timeout;

use crate::clients::{KeyClient, Lessee, Recorder, Watcher};
use crate::cluster::client;
use crate::history::{Keys, Watched};
use crate::host::MEMBERS;

/// Clients that read and write: for each member, and for all members together.
const KEY_CLIENTS_EACH: usize = 4;
const LESSEES_EACH: usize = 1;
/// How long clients may take to end: longer than any request.
const END_TIMEOUT: Duration = Duration::from_secs(20);
/// How long watches may take to come to the end of history when all faults are over.
const CATCH_UP_TIMEOUT: Duration = Duration::from_secs(30);

/// The clients of one round.
pub(crate) struct Traffic {
    stop: Arc<AtomicBool>,
    clients: Vec<JoinHandle<()>>,
    goal: watch::Sender<i64>,
    give_up: watch::Sender<bool>,
    watchers: Vec<JoinHandle<Watched>>,
}

impl Traffic {
    /// Starts the clients of a round that begins at revision `first`.
    ///
    /// # Errors
    /// If a client cannot be made.
    pub(crate) fn start(round: u64, first: i64, recorder: &Recorder, random: &mut Random) -> Result<Self> {
        let mut traffic = Self {
            stop: Arc::default(),
            clients: Vec::new(),
            goal: watch::Sender::new(0),
            give_up: watch::Sender::new(false),
            watchers: Vec::new(),
        };
        let places = (0..MEMBERS).map(Some).chain([None]);
        for member in places {
            for _ in 0..KEY_CLIENTS_EACH {
                traffic.add_key_client(round, first, member, recorder, random)?;
            }
            for _ in 0..LESSEES_EACH {
                traffic.add_lessee(round, member, recorder, random)?;
            }
            traffic.add_watcher(Keys::all(), true, first, member, recorder)?;
            let some = match random.below(3) {
                0 => Keys::prefix("k/"),
                1 => Keys::one(format!("k/{}", random.below(4))),
                _ => Keys::prefix("g/"),
            };
            traffic.add_watcher(some, random.below(2) == 0, first, member, recorder)?;
            traffic.add_watcher(Keys::prefix("l/"), false, first, member, recorder)?;
        }
        Ok(traffic)
    }

    fn add_key_client(
        &mut self,
        round: u64,
        first: i64,
        member: Option<usize>,
        recorder: &Recorder,
        random: &mut Random,
    ) -> Result<()> {
        let client = KeyClient {
            client: client(member)?,
            member,
            recorder: recorder.clone(),
            name: format!("{round}.{}", self.clients.len()),
            random: Random::new(random.draw()),
            first,
            written: 0,
            known: std::collections::HashMap::new(),
            revision: first,
        };
        self.clients.push(spawn_local(client.run(Arc::clone(&self.stop))));
        Ok(())
    }

    fn add_lessee(
        &mut self,
        round: u64,
        member: Option<usize>,
        recorder: &Recorder,
        random: &mut Random,
    ) -> Result<()> {
        let number = i64::try_from(round * 100)? + i64::try_from(self.clients.len())? + 1;
        let lessee = Lessee {
            client: client(member)?,
            member,
            recorder: recorder.clone(),
            number,
            random: Random::new(random.draw()),
        };
        self.clients.push(spawn_local(lessee.run(Arc::clone(&self.stop))));
        Ok(())
    }

    fn add_watcher(
        &mut self,
        keys: Keys,
        prev_kv: bool,
        first: i64,
        member: Option<usize>,
        recorder: &Recorder,
    ) -> Result<()> {
        let through = member.map_or("all members".to_owned(), |member| format!("m{member}"));
        let watcher = Watcher {
            client: client(member)?,
            recorder: recorder.clone(),
            watched: Watched {
                name: format!("watch of {keys:?} through {through}"),
                keys,
                prev_kv,
                from: first + 1,
                seen: Vec::new(),
                caught_up: false,
            },
        };
        let run = watcher.run(self.goal.subscribe(), self.give_up.subscribe());
        self.watchers.push(spawn_local(run));
        Ok(())
    }

    /// Stops those who write, and waits until they have.
    ///
    /// # Errors
    /// If one does not end.
    pub(crate) async fn stop_writing(&mut self) -> Result<()> {
        self.stop.store(true, Ordering::Relaxed);
        for client in self.clients.drain(..) {
            timeout(END_TIMEOUT, client).await.context("a client ends")??;
        }
        Ok(())
    }

    /// Lets the watches come to the end of history; what they saw.
    ///
    /// # Errors
    /// If one fails.
    pub(crate) async fn stop_watching(self, last: i64) -> Result<Vec<Watched>> {
        self.goal.send_replace(last);
        let late = self.give_up;
        let timer = tokio::spawn(async move {
            tokio::time::sleep(CATCH_UP_TIMEOUT).await;
            late.send_replace(true);
        });
        let mut watches = Vec::new();
        for watcher in self.watchers {
            watches.push(watcher.await?);
        }
        timer.abort();
        Ok(watches)
    }
}
