//! Log-linear buckets: values below 4 have one each, and every power of two from there on is cut into four
//! of equal size. A bucket is told by the highest three bits of its values and by how many bits follow.

use std::ops::RangeInclusive;

/// Buckets per power of two.
const STEPS: u64 = 4;
/// `STEPS` is two to the power of this.
const STEP_BITS: u32 = 2;

/// The index of the bucket that contains `value`. At most 251.
pub(crate) fn index_of(value: u64) -> usize {
    let shift = shift_of(value);
    // The leading bits lie in 4..8 once shifted, and each shift moves on by four buckets.
    let index = (value >> shift) + STEPS * u64::from(shift);
    usize::try_from(index).expect("a bucket index is below 252")
}

/// The values that fall into the bucket at `index`, which must be one that [`index_of`] returns.
pub(crate) fn values_of(index: usize) -> RangeInclusive<u64> {
    let index = index as u64;
    if index < STEPS {
        return index..=index;
    }
    let shift = index / STEPS - 1;
    let lowest = (STEPS + index % STEPS) << shift;
    lowest..=lowest + ((1 << shift) - 1)
}

/// How many bits of `value` its bucket leaves open.
fn shift_of(value: u64) -> u32 {
    value.checked_ilog2().unwrap_or(0).saturating_sub(STEP_BITS)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const LAST: usize = 251;

    #[test]
    fn buckets_follow_one_another_without_gap_over_all_values() {
        assert_eq!(*values_of(0).start(), 0);
        for index in 0..LAST {
            assert!(values_of(index).start() <= values_of(index).end());
            assert_eq!(values_of(index).end() + 1, *values_of(index + 1).start());
        }
        assert_eq!(*values_of(LAST).end(), u64::MAX);
    }

    #[test]
    fn both_bounds_of_a_bucket_fall_into_it() {
        for index in 0..=LAST {
            assert_eq!(index_of(*values_of(index).start()), index);
            assert_eq!(index_of(*values_of(index).end()), index);
        }
    }

    #[test]
    fn small_values_have_a_bucket_each() {
        for value in 0..8 {
            assert_eq!(values_of(index_of(value)), value..=value);
        }
    }

    proptest! {
        #[test]
        fn a_bucket_contains_its_value_and_spans_at_most_a_quarter_of_it(
            value in any::<u64>(),
            shift in 0u32..64,
        ) {
            let value = value >> shift;
            let bucket = values_of(index_of(value));
            prop_assert!(bucket.contains(&value));
            prop_assert!(bucket.end() - bucket.start() <= value / 4);
        }

        #[test]
        fn a_greater_value_never_falls_into_a_lower_bucket(
            one in any::<u64>(),
            other in any::<u64>(),
            shift in 0u32..64,
        ) {
            let (low, high) = (one.min(other) >> shift, one.max(other) >> shift);
            prop_assert!(index_of(low) <= index_of(high));
        }
    }
}
