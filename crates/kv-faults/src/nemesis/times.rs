use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use crate::nemesis::Kind;

/// How many faults there were, and how long their effects lasted.
#[derive(Clone, Debug, Default)]
pub(crate) struct Times {
    counts: BTreeMap<Kind, u64>,
    healed: BTreeMap<Kind, Vec<Duration>>,
    interrupted: BTreeMap<Kind, Vec<Duration>>,
}

impl Times {
    pub(crate) fn count(&mut self, kind: Kind) {
        *self.counts.entry(kind).or_default() += 1;
    }

    /// From the end of a fault until every member acknowledged writes.
    pub(crate) fn healed(&mut self, kind: Kind, took: Duration) {
        self.healed.entry(kind).or_default().push(took);
    }

    /// The longest time without an acknowledged write, after the leader was taken away.
    pub(crate) fn interrupted(&mut self, kind: Kind, took: Duration) {
        self.interrupted.entry(kind).or_default().push(took);
    }

    pub(crate) fn faults(&self) -> u64 {
        self.counts.values().sum()
    }

    pub(crate) fn print(&self) {
        for (kind, count) in &self.counts {
            println!("fault {} {count}", kind.name());
        }
        let all: Vec<Duration> = self.healed.values().flatten().copied().collect();
        println!("heal_ms all {}", Spread::of(&all));
        for (kind, times) in &self.healed {
            println!("heal_ms {} {}", kind.name(), Spread::of(times));
        }
        for (kind, times) in &self.interrupted {
            println!("no_write_ms {} {}", kind.name(), Spread::of(times));
        }
    }
}

/// Half, nine of ten, and all of some times are not longer than this, in milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Spread {
    count: usize,
    p50: u128,
    p90: u128,
    max: u128,
}

impl Spread {
    pub(crate) fn of(times: &[Duration]) -> Self {
        let mut millis: Vec<u128> = times.iter().map(Duration::as_millis).collect();
        millis.sort_unstable();
        let at = |percent: usize| {
            let rank = (millis.len() * percent).div_ceil(100).max(1);
            millis.get(rank - 1).copied().unwrap_or(0)
        };
        Self {
            count: millis.len(),
            p50: at(50),
            p90: at(90),
            max: at(100),
        }
    }
}

impl fmt::Display for Spread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { count, p50, p90, max } = self;
        write!(f, "n {count} p50 {p50} p90 {p90} max {max}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_spread_names_times_that_were_measured() {
        let times: Vec<Duration> = (1..=10).rev().map(Duration::from_millis).collect();
        assert_eq!(Spread::of(&times).to_string(), "n 10 p50 5 p90 9 max 10");
        assert_eq!(Spread::of(&times[..1]).to_string(), "n 1 p50 10 p90 10 max 10");
        assert_eq!(Spread::of(&[]).to_string(), "n 0 p50 0 p90 0 max 0");
    }
}
