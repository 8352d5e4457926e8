use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use kv_mvcc::{DeleteRequest, Op, PutLease, PutRequest, PutValue, TxnRequest};
use kv_server::{RequestError, Server};
use kv_types::{KeyRange, LeaseId, Revision};
use kv_wal::faulty::Random;

use crate::journal::Journal;

/// Longer than any test.
const TTL_SECONDS: i64 = 100_000;

/// Revisions that compaction leaves.
const HISTORY: i64 = 30;

/// A client that waits longer than this goes to another member.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(2);

/// Writes to keys of its own, a request at a time, and notes what it is told.
pub(crate) struct Writer {
    pub(crate) journal: Journal,
    name: String,
    random: Random,
    number: u64,
}

/// Tells writers to stop, and how far they are.
#[derive(Clone, Default)]
pub(crate) struct Control {
    stop: Arc<AtomicBool>,
    acknowledged: Arc<AtomicU64>,
}

impl Control {
    pub(crate) fn stop(&self) {
        self.stop.store(true, Ordering::Relaxed);
    }

    pub(crate) fn acknowledged(&self) -> u64 {
        self.acknowledged.load(Ordering::Relaxed)
    }
}

impl Writer {
    pub(crate) fn new(name: String, seed: u64) -> Self {
        Self {
            journal: Journal::default(),
            name,
            random: Random::new(seed),
            number: 0,
        }
    }

    /// Writes until it is told to stop, through one member after another.
    pub(crate) async fn run(mut self, servers: Vec<Server>, control: Control) -> Self {
        let mut through = self.random.below(servers.len() as u64);
        while !control.stop.load(Ordering::Relaxed) {
            let server = &servers[usize::try_from(through).unwrap()];
            if self.write(server).await {
                control.acknowledged.fetch_add(1, Ordering::Relaxed);
            } else {
                through = (through + 1) % servers.len() as u64;
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        }
        self
    }

    /// One request; whether it was acknowledged.
    async fn write(&mut self, server: &Server) -> bool {
        self.number += 1;
        let fresh = format!("{}/{}", self.name, self.number);
        match self.random.below(20) {
            0..8 => self.put(server, format!("single/{fresh}"), None).await,
            8..12 => self.put_pair(server, &fresh).await,
            12..14 => match self.known(b"pair/a/") {
                Some(key) => {
                    let pair = String::from_utf8(key[b"pair/a/".len()..].to_vec()).unwrap();
                    self.put_pair(server, &pair).await
                }
                None => self.put_pair(server, &fresh).await,
            },
            14..16 => match self.known(b"single/") {
                Some(key) => self.delete(server, key).await,
                None => self.put(server, format!("single/{fresh}"), None).await,
            },
            16..18 => self.put_with_lease(server, format!("leased/{fresh}")).await,
            18 => self.revoke(server).await,
            _ => self.compact(server).await,
        }
    }

    /// A key of its own that was acknowledged and is there.
    fn known(&mut self, prefix: &[u8]) -> Option<Bytes> {
        let there = |key: &&Bytes| key.starts_with(prefix) && self.journal.keys[*key].is_some();
        let known: Vec<&Bytes> = self.journal.keys.keys().filter(there).collect();
        let chosen = self.random.below(known.len().max(1) as u64);
        known
            .get(usize::try_from(chosen).unwrap())
            .map(|key| (*key).clone())
    }

    async fn put(&mut self, server: &Server, key: String, lease: Option<LeaseId>) -> bool {
        let value = self.value();
        let keys = [Bytes::from(key)];
        let result = answer(server.put(put(&keys[0], &value, lease))).await;
        self.put_all(&keys, &value, result.map(|result| result.revision))
    }

    async fn put_pair(&mut self, server: &Server, pair: &str) -> bool {
        let value = self.value();
        let keys = ["a", "b"].map(|half| Bytes::from(format!("pair/{half}/{pair}")));
        let puts = keys.iter().map(|key| Op::Put(put(key, &value, None)));
        let request = TxnRequest {
            success: puts.collect(),
            ..TxnRequest::default()
        };
        let result = answer(server.txn(request, false)).await;
        self.put_all(&keys, &value, result.map(|result| result.revision))
    }

    fn put_all(&mut self, keys: &[Bytes], value: &Bytes, result: Option<Revision>) -> bool {
        self.journal.forget(keys);
        if let Some(revision) = result {
            self.journal.acknowledge(revision);
            for key in keys {
                self.journal
                    .keys
                    .insert(key.clone(), Some((value.clone(), revision)));
            }
        }
        result.is_some()
    }

    async fn delete(&mut self, server: &Server, key: Bytes) -> bool {
        self.journal.forget(std::slice::from_ref(&key));
        let request = DeleteRequest {
            range: KeyRange::single(key.clone()),
            prev_kv: false,
        };
        let Some(result) = answer(server.delete_range(request)).await else {
            return false;
        };
        assert_eq!(result.deleted, 1, "{key:?} was there");
        self.journal.acknowledge(result.revision);
        self.journal.keys.insert(key, None);
        true
    }

    async fn put_with_lease(&mut self, server: &Server, key: String) -> bool {
        let Some(granted) = answer(server.lease_grant(None, TTL_SECONDS)).await else {
            return false;
        };
        self.journal.leases.insert(granted.id, true);
        self.put(server, key, Some(granted.id)).await
    }

    /// Revokes a lease, with the keys it has.
    async fn revoke(&mut self, server: &Server) -> bool {
        let granted = self.journal.leases.iter().find(|(_, granted)| **granted);
        let Some(id) = granted.map(|(id, _)| *id) else {
            return false;
        };
        self.journal.leases.remove(&id);
        // Which keys it has is not noted: none of them is checked from here on.
        self.journal.keys.retain(|key, _| !key.starts_with(b"leased/"));
        if answer(server.lease_revoke(id)).await.is_none() {
            return false;
        }
        self.journal.leases.insert(id, false);
        true
    }

    async fn compact(&mut self, server: &Server) -> bool {
        let at = Revision::new(self.journal.revision.get() - HISTORY);
        if at.get() < 1 {
            return false;
        }
        match tokio::time::timeout(REQUEST_TIMEOUT, server.compact(at, false)).await {
            // Another writer was ahead.
            Ok(Ok(_) | Err(RequestError::Compacted)) => {
                self.journal.compacted = self.journal.compacted.max(Some(at));
                true
            }
            _ => false,
        }
    }

    fn value(&mut self) -> Bytes {
        let length = usize::try_from(self.random.below(600)).unwrap();
        format!("{}/{}/", self.name, self.number)
            .bytes()
            .cycle()
            .take(length.max(24))
            .collect()
    }
}

fn put(key: &Bytes, value: &Bytes, lease: Option<LeaseId>) -> PutRequest {
    PutRequest {
        key: key.clone(),
        value: PutValue::New(value.clone()),
        lease: PutLease::Set(lease),
        prev_kv: false,
    }
}

/// What is answered in time, unless it is that the outcome is unknown.
async fn answer<T>(request: impl Future<Output = Result<T, RequestError>>) -> Option<T> {
    tokio::time::timeout(REQUEST_TIMEOUT, request).await.ok()?.ok()
}
