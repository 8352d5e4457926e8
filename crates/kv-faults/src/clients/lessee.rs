use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use kv_client::Client;
use kv_proto::etcdserverpb::{LeaseGrantRequest, LeaseRevokeRequest};
use kv_tests::Random;
use tokio::time::{sleep, timeout};

use crate::clients::Recorder;
use crate::clients::wire::{refused, send};
use crate::history::{
    LeaseAnswer, LeaseOperation, LeaseRequest, Op, Operation, Outcome, Read, Time, Transaction,
};

/// Time to live of the leases, up to this; at least the least there is.
const TTL_SECONDS_MAX: u64 = 4;
const TTL_SECONDS_MIN: u64 = 2;
/// How long an answer on a stream is waited for.
const PATIENCE: Duration = Duration::from_secs(2);

/// A client that takes leases, hangs keys on them, renews them for a while, and then revokes or forgets them.
pub(crate) struct Lessee {
    pub(crate) client: Client,
    pub(crate) member: Option<usize>,
    pub(crate) recorder: Recorder,
    /// Different for each client and round; leases and values are named with it.
    pub(crate) number: i64,
    pub(crate) random: Random,
}

impl Lessee {
    /// Takes one lease after the other until told to stop.
    pub(crate) async fn run(mut self, stop: Arc<AtomicBool>) {
        for lease in 1_i64.. {
            if stop.load(Ordering::Relaxed) {
                return;
            }
            let id = self.number * 1_000_000 + lease;
            let seconds = TTL_SECONDS_MIN + self.random.below(TTL_SECONDS_MAX - TTL_SECONDS_MIN + 1);
            let ttl = i64::try_from(seconds).unwrap_or(1);
            if !self.grant(id, ttl).await {
                sleep(Duration::from_millis(100)).await;
                continue;
            }
            self.hang_keys(id).await;
            self.renew(id, ttl, &stop).await;
            if self.random.below(3) == 0 {
                self.revoke(id).await;
            } else {
                sleep(Duration::from_millis(self.random.below(4000))).await;
            }
        }
    }

    fn record(&self, id: i64, request: LeaseRequest, call: Time, answer: Option<LeaseAnswer>) {
        self.recorder.lease(LeaseOperation {
            id,
            request,
            call,
            answer,
        });
    }

    async fn grant(&self, id: i64, ttl: i64) -> bool {
        let call = self.recorder.clock.now();
        let answer = self.client.lease_grant(LeaseGrantRequest { id, ttl }).await.ok();
        let answer = answer.map(|answer| LeaseAnswer {
            ttl: answer.ttl,
            revision: answer.header.unwrap_or_default().revision,
        });
        self.record(id, LeaseRequest::Grant, call, answer);
        answer.is_some()
    }

    async fn hang_keys(&self, id: i64) {
        let put = |half: &str| Op::Put {
            key: format!("l/{id}/{half}").into(),
            value: format!("lease.{id}.{half}").into(),
            lease: id,
        };
        let transaction = Transaction {
            success: vec![put("a"), put("b")],
            ..Transaction::default()
        };
        let call = self.recorder.clock.now();
        let result = send(&self.client, &transaction, Read::Linearizable).await;
        let at = self.recorder.clock.now();
        let outcome = match result {
            Ok(answer) => Outcome::Answered { at, answer },
            Err(error) if refused(&error) => Outcome::Refused,
            Err(_) => Outcome::Unknown,
        };
        self.recorder.operation(Operation {
            member: self.member,
            call,
            transaction,
            read: Read::Linearizable,
            outcome,
        });
    }

    async fn renew(&mut self, id: i64, ttl: i64, stop: &AtomicBool) {
        let interval = Duration::from_millis(ttl.unsigned_abs() * 1000 / 3);
        for _ in 0..self.random.below(8) {
            if stop.load(Ordering::Relaxed) {
                return;
            }
            sleep(interval).await;
            let call = self.recorder.clock.now();
            let answer = timeout(PATIENCE, self.client.lease_keep_alive(id)).await;
            let answer = answer.ok().and_then(Result::ok).map(|(_, answer)| LeaseAnswer {
                ttl: answer.ttl,
                revision: answer.header.unwrap_or_default().revision,
            });
            self.record(id, LeaseRequest::KeepAlive, call, answer);
        }
    }

    async fn revoke(&self, id: i64) {
        let call = self.recorder.clock.now();
        let answer = self.client.lease_revoke(LeaseRevokeRequest { id }).await.ok();
        let answer = answer.map(|answer| LeaseAnswer {
            ttl: 0,
            revision: answer.header.unwrap_or_default().revision,
        });
        self.record(id, LeaseRequest::Revoke, call, answer);
    }
}
