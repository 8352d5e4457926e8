//! Choices by chance.

use std::ops::Range;
use std::time::Duration;

use kv_wal::faulty::Random;

/// Whether something of so many in a hundred happens.
pub(crate) fn percent(random: &mut Random, percent: u64) -> bool {
    random.below(100) < percent
}

/// A number of a range.
pub(crate) fn within(random: &mut Random, range: Range<u64>) -> u64 {
    range.start + random.below((range.end - range.start).max(1))
}

/// A time of a range of milliseconds.
pub(crate) fn millis(random: &mut Random, range: Range<u64>) -> Duration {
    Duration::from_millis(within(random, range))
}

/// One of some; there is at least one.
pub(crate) fn one_of<T: Copy>(random: &mut Random, choices: &[T]) -> T {
    choices[index(random, choices.len())]
}

/// An index below `length`, which is not zero.
pub(crate) fn index(random: &mut Random, length: usize) -> usize {
    usize::try_from(random.below(length.max(1) as u64)).unwrap_or(0)
}
