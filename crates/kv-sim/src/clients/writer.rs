use std::collections::BTreeMap;

use bytes::Bytes;
use kv_mvcc::{RangeRequest, TxnRequest};
use kv_server::RequestError;
use kv_types::{KeyRange, Revision};

use super::request;
use super::{Desk, NoAnswer};
use crate::chance;
use crate::invariants::{acknowledged, reads, revisions};
use crate::seat::Door;

/// Revisions that a compaction leaves.
const HISTORY: i64 = 40;

/// Writes and reads shared keys, one request at a time.
pub(crate) struct Writer {
    desk: Desk,
    id: u64,
    number: u64,
    think_millis_max: u64,
    seen: BTreeMap<Bytes, Revision>,
    /// Writes that were refused, with the refusal.
    refused: Vec<(u64, RequestError)>,
}

impl Writer {
    pub(crate) fn new(mut desk: Desk, id: u64) -> Self {
        let think_millis_max = chance::one_of(&mut desk.random, &[20, 100, 400]);
        Self {
            desk,
            id,
            number: 0,
            think_millis_max,
            seen: BTreeMap::new(),
            refused: Vec::new(),
        }
    }

    /// Until clients are to end.
    pub(crate) async fn run(mut self) {
        while let Some(door) = self.desk.door().await {
            self.step(&door).await;
            self.desk.think(self.think_millis_max).await;
            if chance::percent(&mut self.desk.random, 10) {
                self.desk.move_on();
            }
        }
        let truth = self.desk.cluster.world.truth();
        for (token, error) in &self.refused {
            let verdict = acknowledged::refused(&truth, *token, error);
            self.desk.cluster.world.judge(verdict);
        }
    }

    async fn step(&mut self, door: &Door) {
        match self.desk.random.below(100) {
            0..40 => self.put(door).await,
            40..55 => self.txn(door).await,
            55..63 => self.delete(door).await,
            63..82 => self.range(door).await,
            82..90 => self.serializable_range(door).await,
            90..97 => self.old_range(door).await,
            _ => self.compact(door).await,
        }
    }

    fn token(&mut self) -> u64 {
        self.number += 1;
        self.id << 32 | self.number
    }

    fn told(&self) -> Revision {
        self.desk.cluster.world.truth().told
    }

    /// Notes that a client was told a revision, by a linearizable answer.
    fn tell(&mut self, kind: &'static str, revision: Revision) {
        let world = &self.desk.cluster.world;
        world.mix(&[0x2000, self.id, self.number, revision.get().cast_unsigned()]);
        world.checked(kind);
        let mut truth = world.truth();
        truth.told = truth.told.max(revision);
    }

    fn refuse(&mut self, token: u64, no_answer: NoAnswer) {
        if let NoAnswer::Error(error) = no_answer
            && acknowledged::is_refusal(&error)
        {
            self.refused.push((token, error));
        }
    }

    async fn put(&mut self, door: &Door) {
        let (key, token, told) = (request::key(&mut self.desk.random), self.token(), self.told());
        let value = request::value(&mut self.desk.random, token);
        let put = request::put(key.clone(), value, None);
        match self
            .desk
            .ask(door, |server| async move { server.put(put).await })
            .await
        {
            Ok(result) => {
                let verdict = acknowledged::put(&self.desk.cluster.world.truth(), token, &result)
                    .and(revisions::write(told, result.revision));
                self.desk.cluster.world.judge(verdict);
                self.seen.insert(key, result.revision);
                self.tell("puts", result.revision);
            }
            Err(no_answer) => self.refuse(token, no_answer),
        }
    }

    async fn txn(&mut self, door: &Door) {
        let keys = [
            request::key(&mut self.desk.random),
            request::key(&mut self.desk.random),
        ];
        let (token, told) = (self.token(), self.told());
        let value = request::value(&mut self.desk.random, token);
        let seen = self.seen.get(&keys[0]).copied().unwrap_or(Revision::ZERO);
        let txn: TxnRequest = request::txn(keys.clone(), seen, &value);
        match self
            .desk
            .ask(door, |server| async move { server.txn(txn, false).await })
            .await
        {
            Ok(result) => {
                let order = if result.succeeded {
                    revisions::write(told, result.revision)
                } else {
                    revisions::read(told, result.revision)
                };
                let verdict = acknowledged::txn(&self.desk.cluster.world.truth(), token, &result).and(order);
                self.desk.cluster.world.judge(verdict);
                if result.succeeded {
                    self.seen.insert(keys[0].clone(), result.revision);
                }
                self.tell("transactions", result.revision);
            }
            Err(no_answer) => self.refuse(token, no_answer),
        }
    }

    async fn delete(&mut self, door: &Door) {
        let range = KeyRange::single(request::key(&mut self.desk.random));
        let told = self.told();
        let delete = request::delete(range.clone());
        if let Ok(result) = self
            .desk
            .ask(door, |server| async move { server.delete_range(delete).await })
            .await
        {
            let order = if result.deleted > 0 {
                revisions::write(told, result.revision)
            } else {
                revisions::read(told, result.revision)
            };
            let verdict = acknowledged::delete(&self.desk.cluster.world.truth(), &range, &result).and(order);
            self.desk.cluster.world.judge(verdict);
            self.tell("deletions", result.revision);
        }
    }

    async fn range(&mut self, door: &Door) {
        let range = request::range(&mut self.desk.random);
        let (request, told) = (RangeRequest::new(range.clone()), self.told());
        if let Ok(result) = self
            .desk
            .ask(door, |server| async move { server.range(request, false).await })
            .await
        {
            let verdict = reads::range(&self.desk.cluster.world.truth(), &range, None, &result)
                .and(revisions::read(told, result.revision));
            self.desk.cluster.world.judge(verdict);
            for kv in &result.kvs {
                self.seen.insert(kv.key.clone(), kv.mod_revision);
            }
            self.tell("linearizable reads", result.revision);
        }
    }

    async fn serializable_range(&mut self, door: &Door) {
        let range = request::range(&mut self.desk.random);
        let request = RangeRequest::new(range.clone());
        if let Ok(result) = self
            .desk
            .ask(door, |server| async move { server.range(request, true).await })
            .await
        {
            let world = &self.desk.cluster.world;
            let verdict = reads::range(&world.truth(), &range, None, &result);
            world.judge(verdict);
            world.checked("serializable reads");
        }
    }

    /// Reads what was, near where compactions are.
    async fn old_range(&mut self, door: &Door) {
        let range = request::range(&mut self.desk.random);
        let back = i64::try_from(self.desk.random.below(3 * HISTORY.cast_unsigned())).unwrap_or(0);
        let at = Revision::new((door.server.view().revision().get() - back).max(2));
        let request = RangeRequest {
            revision: Some(at),
            ..RangeRequest::new(range.clone())
        };
        let compacted = {
            let seats = self.desk.cluster.seats.lock();
            seats.get(&door.id).map_or(Revision::ZERO, |seat| seat.compacted)
        };
        let serializable = chance::percent(&mut self.desk.random, 50);
        let answer = self
            .desk
            .ask(
                door,
                |server| async move { server.range(request, serializable).await },
            )
            .await;
        let world = &self.desk.cluster.world;
        let verdict = match &answer {
            Ok(result) => {
                world.checked("reads of the past");
                reads::not_compacted(at, compacted).and(reads::range(
                    &world.truth(),
                    &range,
                    Some(at),
                    result,
                ))
            }
            Err(NoAnswer::Error(RequestError::Compacted)) => reads::refused_as_compacted(&world.truth(), at),
            Err(_) => Ok(()),
        };
        world.judge(verdict);
    }

    async fn compact(&mut self, door: &Door) {
        let at = Revision::new(self.told().get() - HISTORY);
        if at.get() < 2 {
            return;
        }
        let physical = chance::percent(&mut self.desk.random, 20);
        let answer = self
            .desk
            .ask(door, |server| async move { server.compact(at, physical).await })
            .await;
        if answer.is_ok() {
            let mut seats = self.desk.cluster.seats.lock();
            if let Some(seat) = seats.get_mut(&door.id) {
                seat.compacted = seat.compacted.max(at);
            }
            self.desk.cluster.world.checked("compactions");
        }
    }
}
