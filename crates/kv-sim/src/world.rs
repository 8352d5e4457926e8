use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use kv_wal::faulty::Random;
use parking_lot::{Mutex, MutexGuard};
use tokio::time::Instant;

use crate::trace::Trace;
use crate::truth::Truth;
use crate::violation::{Verdict, Violation};

/// What all of one simulation share. Clones are the same world.
#[derive(Clone)]
pub(crate) struct World(Arc<Shared>);

struct Shared {
    began: Instant,
    random: Mutex<Random>,
    trace: Mutex<Trace>,
    truth: Mutex<Truth>,
    counts: Mutex<Counts>,
    violation: Mutex<Option<Violation>>,
}

/// What was done.
#[derive(Clone, Debug, Default)]
pub struct Counts {
    /// Faults injected, by kind.
    pub faults: BTreeMap<&'static str, u64>,
    /// Answers of clients' requests that were checked, by kind.
    pub checked: BTreeMap<&'static str, u64>,
}

impl World {
    /// A world that begins now.
    pub(crate) fn new(seed: u64, truth: Truth, aloud: bool) -> Self {
        Self(Arc::new(Shared {
            began: Instant::now(),
            random: Mutex::new(Random::new(seed)),
            trace: Mutex::new(Trace::new(aloud)),
            truth: Mutex::new(truth),
            counts: Mutex::default(),
            violation: Mutex::new(None),
        }))
    }

    pub(crate) fn elapsed(&self) -> Duration {
        self.0.began.elapsed()
    }

    /// A source of chance of its own, so that one who asks more often does not change what others get.
    pub(crate) fn fork_random(&self) -> Random {
        Random::new(self.0.random.lock().next_u64())
    }

    /// What truly happened. Never held across an await.
    pub(crate) fn truth(&self) -> MutexGuard<'_, Truth> {
        self.0.truth.lock()
    }

    /// Takes something into the trace's hash.
    pub(crate) fn mix(&self, numbers: &[u64]) {
        let now = self.millis();
        let mut trace = self.0.trace.lock();
        trace.mix(&[now]);
        trace.mix(numbers);
    }

    /// Notes something a reader of the trace wants to know.
    pub(crate) fn note(&self, text: &str) {
        let now = self.millis();
        self.0.trace.lock().line(now, text);
    }

    fn millis(&self) -> u64 {
        u64::try_from(self.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    /// Counts a fault, and notes it.
    pub(crate) fn fault(&self, kind: &'static str, detail: &str) {
        *self.0.counts.lock().faults.entry(kind).or_default() += 1;
        self.note(&format!("fault: {kind} {detail}"));
    }

    /// Counts a checked answer.
    pub(crate) fn checked(&self, kind: &'static str) {
        *self.0.counts.lock().checked.entry(kind).or_default() += 1;
    }

    /// Keeps the first violation.
    pub(crate) fn judge(&self, verdict: Verdict) {
        if let Err(violation) = verdict {
            self.note(&format!("VIOLATION {violation}"));
            self.0.violation.lock().get_or_insert(violation);
        }
    }

    pub(crate) fn violation(&self) -> Option<Violation> {
        self.0.violation.lock().clone()
    }

    pub(crate) fn counts(&self) -> Counts {
        self.0.counts.lock().clone()
    }

    pub(crate) fn trace_hash(&self) -> u64 {
        self.0.trace.lock().hash()
    }

    pub(crate) fn trace_lines(&self) -> Vec<String> {
        self.0.trace.lock().lines()
    }
}
