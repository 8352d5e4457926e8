use std::marker::PhantomData;
use std::ops::RangeInclusive;

use crate::PercentileStats;
use crate::bucket::{index_of, values_of};

/// Counts values by magnitude: exactly below 8, and to within a quarter above.
///
/// The type parameter holds nothing; openraft names it, always as `()`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Histogram<T = ()> {
    // By bucket index, as long as the highest bucket in use needs and so never ending in 0.
    counts: Vec<u64>,
    kind: PhantomData<T>,
}

impl<T> Histogram<T> {
    /// A histogram that has counted nothing, and allocates nothing until it does.
    pub fn new() -> Self {
        Self {
            counts: Vec::new(),
            kind: PhantomData,
        }
    }

    /// Counts `value` once.
    pub fn record(&mut self, value: u64) {
        self.record_n(value, 1);
    }

    /// Counts `value` `count` times. A bucket's count stops at `u64::MAX`.
    pub fn record_n(&mut self, value: u64, count: u64) {
        if count == 0 {
            return;
        }
        let index = index_of(value);
        if index >= self.counts.len() {
            self.counts.resize(index + 1, 0);
        }
        self.counts[index] = self.counts[index].saturating_add(count);
    }

    /// How many values were counted, `u64::MAX` if more.
    pub fn total(&self) -> u64 {
        self.counts
            .iter()
            .fold(0, |total, count| total.saturating_add(*count))
    }

    /// The percentiles of the values counted, each the middle of the bucket that its value fell into.
    pub fn percentile_stats(&self) -> PercentileStats {
        PercentileStats {
            samples: self.total(),
            p0_1: self.percentile(1),
            p1: self.percentile(10),
            p5: self.percentile(50),
            p10: self.percentile(100),
            p50: self.percentile(500),
            p90: self.percentile(900),
            p99: self.percentile(990),
            p99_9: self.percentile(999),
        }
    }

    /// The buckets in use, ascending: their values and how many were counted.
    pub(crate) fn buckets(&self) -> impl Iterator<Item = (RangeInclusive<u64>, u64)> {
        let used = self.counts.iter().enumerate().filter(|(_, count)| **count > 0);
        used.map(|(index, count)| (values_of(index), *count))
    }

    /// About the least value that `permille` of all values do not exceed, or 0 if there are none.
    fn percentile(&self, permille: u32) -> u64 {
        let total: u128 = self.counts.iter().copied().map(u128::from).sum();
        let rank = (total * u128::from(permille)).div_ceil(1000);
        let mut seen = 0;
        for (values, count) in self.buckets() {
            seen += u128::from(count);
            if seen >= rank {
                return values.start().midpoint(*values.end());
            }
        }
        0
    }
}

impl<T> Default for Histogram<T> {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    fn recorded(values: &[u64]) -> Histogram {
        let mut histogram = Histogram::new();
        for value in values {
            histogram.record(*value);
        }
        histogram
    }

    #[test]
    fn an_empty_histogram_holds_nothing_and_answers_zero() {
        let histogram = Histogram::<()>::new();
        assert_eq!(histogram.counts.capacity(), 0);
        assert_eq!(histogram.total(), 0);
        assert_eq!(histogram.percentile_stats().p50, 0);
        assert_eq!(histogram.percentile_stats().p99_9, 0);
    }

    #[test]
    fn counting_a_value_no_times_changes_nothing() {
        let mut histogram = recorded(&[3]);
        histogram.record_n(1000, 0);
        assert_eq!(histogram, recorded(&[3]));
    }

    #[test]
    fn the_greatest_value_and_count_are_counted_without_overflow() {
        let mut histogram = Histogram::<()>::new();
        histogram.record_n(u64::MAX, u64::MAX);
        histogram.record_n(u64::MAX, u64::MAX);
        histogram.record_n(0, u64::MAX);
        assert_eq!(histogram.total(), u64::MAX);
        assert_eq!(histogram.percentile(500), 0);
        assert!(histogram.percentile(501) >= 7 << 61);
        assert_eq!(histogram.counts.len(), 252);
    }

    #[test]
    fn statistics_read_as_one_line() {
        let line = recorded(&[1, 2, 3, 4]).percentile_stats().to_string();
        let expected = "[samples: 4, P0.1: 1, P1: 1, P5: 1, P10: 1, P50: 2, P90: 4, P99: 4, P99.9: 4]";
        assert_eq!(line, expected);
    }

    proptest! {
        #[test]
        fn a_percentile_falls_into_the_bucket_of_the_value_at_its_rank(
            values in vec((any::<u64>(), 0u32..64).prop_map(|(value, shift)| value >> shift), 1..200),
            permille in 1u32..=1000,
        ) {
            let histogram = recorded(&values);
            let mut sorted = values;
            sorted.sort_unstable();
            let rank = (sorted.len() * permille as usize).div_ceil(1000);
            let exact = sorted[rank - 1];
            let found = histogram.percentile(permille);
            prop_assert_eq!(index_of(found), index_of(exact));
            prop_assert!(found.abs_diff(exact) <= exact / 4);
        }

        #[test]
        fn counting_many_at_once_equals_counting_one_by_one(value in any::<u64>(), count in 0u64..50) {
            let mut at_once = Histogram::new();
            at_once.record_n(value, count);
            prop_assert_eq!(at_once.total(), count);
            let singly = recorded(&(0..count).map(|_| value).collect::<Vec<_>>());
            prop_assert_eq!(at_once, singly);
        }
    }
}
