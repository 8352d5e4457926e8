use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Counts durations in buckets whose bounds grow by a factor. Observing takes no lock.
#[derive(Debug)]
pub struct Histogram {
    // Upper bounds in seconds, ascending.
    bounds: Box<[f64]>,
    // One more than bounds: the last counts what is above them all.
    counts: Box<[AtomicU64]>,
    sum_nanos: AtomicU64,
}

/// What a [`Histogram`] has counted so far.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct HistogramSnapshot {
    /// Upper bound of each bucket but the last, in seconds, ascending, with how many fell into it alone.
    pub buckets: Vec<(f64, u64)>,
    /// How many were above all bounds.
    pub above: u64,
    /// The sum of all durations, in seconds.
    pub sum_seconds: f64,
}

impl Histogram {
    /// Buckets with these upper bounds, in seconds: `start`, `start × factor`, and so on, `count` of them.
    pub fn exponential(start: f64, factor: f64, count: usize) -> Self {
        let bounds = std::iter::successors(Some(start), |bound| Some(bound * factor))
            .take(count)
            .collect();
        Self {
            bounds,
            counts: (0..=count).map(|_| AtomicU64::new(0)).collect(),
            sum_nanos: AtomicU64::new(0),
        }
    }

    /// Counts one duration.
    pub fn observe(&self, duration: Duration) {
        let seconds = duration.as_secs_f64();
        let bucket = self.bounds.partition_point(|bound| *bound < seconds);
        self.counts[bucket].fetch_add(1, Ordering::Relaxed);
        let nanos = u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
        self.sum_nanos.fetch_add(nanos, Ordering::Relaxed);
    }

    /// What has been counted so far. Observations made meanwhile may be in it in part.
    pub fn snapshot(&self) -> HistogramSnapshot {
        let count = |count: &AtomicU64| count.load(Ordering::Relaxed);
        HistogramSnapshot {
            buckets: self
                .bounds
                .iter()
                .copied()
                .zip(self.counts.iter().map(count))
                .collect(),
            above: self.counts.last().map_or(0, count),
            sum_seconds: Duration::from_nanos(count(&self.sum_nanos)).as_secs_f64(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_falls_into_the_first_bucket_it_does_not_exceed() {
        let histogram = Histogram::exponential(0.001, 2.0, 3);
        for millis in [0, 1, 2, 3, 100] {
            histogram.observe(Duration::from_millis(millis));
        }
        let snapshot = histogram.snapshot();
        assert_eq!(snapshot.buckets, [(0.001, 2), (0.002, 1), (0.004, 1)]);
        assert_eq!(snapshot.above, 1);
        assert!((snapshot.sum_seconds - 0.106).abs() < 1e-9);
    }
}
