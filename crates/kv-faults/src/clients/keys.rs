use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use kv_client::Client;
use kv_tests::Random;
use tokio::time::sleep;

use crate::clients::Recorder;
use crate::clients::wire::{refused, send};
use crate::history::{Answer, Compare, Found, Keys, Op, Operation, Outcome, Read, Transaction};

/// Keys of each kind: few, so that clients meet.
const REGISTERS: u64 = 8;
const PAIRED: u64 = 5;
const GROUPS: u64 = 2;
const GROUP_KEYS: u64 = 5;
const LARGE: u64 = 3;
const LARGE_VALUE_BYTES: usize = 20_000;

/// Pause between two requests, up to this.
const PAUSE_MILLIS_MAX: u64 = 60;

/// A client that reads, writes, deletes and runs transactions, one request after the other.
pub(crate) struct KeyClient {
    pub(crate) client: Client,
    /// The only member it talks to, if there is only one.
    pub(crate) member: Option<usize>,
    pub(crate) recorder: Recorder,
    /// With it all values begin; no other client has the same.
    pub(crate) name: String,
    pub(crate) random: Random,
    /// The revision the round began with: older ones may be compacted.
    pub(crate) first: i64,
    pub(crate) written: u64,
    /// What this client last knew of a key.
    pub(crate) known: HashMap<Bytes, (Bytes, i64)>,
    pub(crate) revision: i64,
}

impl KeyClient {
    /// Asks until told to stop.
    pub(crate) async fn run(mut self, stop: Arc<AtomicBool>) {
        while !stop.load(Ordering::Relaxed) {
            let (transaction, read) = self.choose();
            self.ask(transaction, read).await;
            let pause = self.random.below(PAUSE_MILLIS_MAX);
            sleep(Duration::from_millis(pause)).await;
        }
    }

    async fn ask(&mut self, transaction: Transaction, read: Read) {
        let call = self.recorder.clock.now();
        let result = send(&self.client, &transaction, read).await;
        let at = self.recorder.clock.now();
        let outcome = match result {
            Ok(answer) => {
                self.learn(&transaction, &answer);
                Outcome::Answered { at, answer }
            }
            Err(error) if refused(&error) => Outcome::Refused,
            Err(_) => Outcome::Unknown,
        };
        self.recorder.operation(Operation {
            member: self.member,
            call,
            transaction,
            read,
            outcome,
        });
    }

    fn learn(&mut self, transaction: &Transaction, answer: &Answer) {
        self.revision = self.revision.max(answer.revision);
        let got = answer.found.iter().filter_map(|found| match found {
            Found::Got(kvs) => Some(kvs),
            _ => None,
        });
        for kv in got.flatten() {
            self.known
                .insert(kv.key.clone(), (kv.value.clone(), kv.mod_revision));
        }
        for op in transaction.success.iter().filter(|_| answer.succeeded) {
            if let Op::Put { key, value, .. } = op {
                self.known.insert(key.clone(), (value.clone(), answer.revision));
            }
        }
    }

    fn choose(&mut self) -> (Transaction, Read) {
        let register = self.key("k", REGISTERS);
        let lone = |op| (Transaction::of(op), Read::Linearizable);
        match self.random.below(100) {
            0..25 => lone(self.put(register)),
            25..42 => lone(Op::Get(Keys::one(register))),
            42..57 => (self.swap(register), Read::Linearizable),
            57..62 => lone(Op::Delete(Keys::one(register))),
            62..67 => (Transaction::of(Op::Get(self.some_keys())), Read::Serializable),
            67..72 => {
                let age = self.revision.saturating_sub(self.first).max(0).unsigned_abs();
                let back = i64::try_from(self.random.below(age + 1)).unwrap_or(0);
                let revision = (self.revision - back).max(self.first);
                (Transaction::of(Op::Get(self.some_keys())), Read::At(revision))
            }
            72..77 => lone(Op::Get(self.some_keys())),
            77..85 => (self.paired(), Read::Linearizable),
            85..92 => {
                let key = self.group_key();
                lone(self.put(key))
            }
            92..95 => {
                let group = self.random.below(GROUPS);
                lone(Op::Delete(Keys::prefix(&format!("g/{group}/"))))
            }
            95..98 => (self.mixed(), Read::Linearizable),
            _ => {
                let key = self.key("b", LARGE);
                lone(self.put_large(key))
            }
        }
    }

    fn key(&mut self, kind: &str, count: u64) -> Bytes {
        format!("{kind}/{}", self.random.below(count)).into()
    }

    fn group_key(&mut self) -> Bytes {
        format!(
            "g/{}/{}",
            self.random.below(GROUPS),
            self.random.below(GROUP_KEYS)
        )
        .into()
    }

    fn some_keys(&mut self) -> Keys {
        match self.random.below(5) {
            0 => Keys::prefix("g/"),
            1 => Keys::prefix("p/"),
            2 => Keys::all(),
            3 => Keys::prefix("l/"),
            _ => Keys::one(self.key("k", REGISTERS)),
        }
    }

    fn value(&mut self) -> String {
        self.written += 1;
        format!("{}.{}", self.name, self.written)
    }

    fn put(&mut self, key: Bytes) -> Op {
        let value = self.value().into();
        Op::Put { key, value, lease: 0 }
    }

    fn put_large(&mut self, key: Bytes) -> Op {
        let mut value = self.value().into_bytes();
        value.resize(LARGE_VALUE_BYTES, b'.');
        Op::Put {
            key,
            value: value.into(),
            lease: 0,
        }
    }

    /// Puts if the key still has the value this client knows, or else reads it.
    fn swap(&mut self, key: Bytes) -> Transaction {
        let Some((known, _)) = self.known.get(&key).cloned() else {
            return Transaction::of(Op::Get(Keys::one(key)));
        };
        Transaction {
            compares: vec![Compare::Value(key.clone(), known)],
            success: vec![self.put(key.clone())],
            failure: vec![Op::Get(Keys::one(key))],
        }
    }

    /// Changes two keys together if the first was not written since this client knew it.
    fn paired(&mut self) -> Transaction {
        let first = self.key("p", PAIRED);
        let second: Bytes = format!("q/{}", self.random.below(PAIRED)).into();
        let known = self.known.get(&first).map_or(0, |known| known.1);
        let both = [first.clone(), second.clone()];
        Transaction {
            compares: vec![Compare::Modified(first, known)],
            success: both.iter().map(|key| self.put(key.clone())).collect(),
            failure: both.into_iter().map(|key| Op::Get(Keys::one(key))).collect(),
        }
    }

    /// Writes, deletes and reads in one.
    fn mixed(&mut self) -> Transaction {
        let group = self.random.below(GROUPS);
        let put = self.key("q", PAIRED);
        let deleted = self.key("p", PAIRED);
        Transaction {
            success: vec![
                Op::Get(Keys::prefix(&format!("g/{group}/"))),
                self.put(put),
                Op::Delete(Keys::one(deleted)),
                Op::Get(Keys::prefix("p/")),
            ],
            ..Transaction::default()
        }
    }
}
