use std::cmp::Ordering;

use kv_types::{LeaseId, Revision, Version};

use super::Reader;
use crate::index::{At, VersionMeta};
use crate::{Compare, CompareResult, CompareTarget, ReadError};

impl Reader<'_> {
    /// Whether all conditions hold now.
    pub(crate) fn all_hold(&self, compares: &[Compare]) -> Result<bool, ReadError> {
        for compare in compares {
            if !self.holds(compare)? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Whether every key of the interval meets the condition; if there is none, whether an all-zero one
    /// would, but a value that does not exist meets none.
    fn holds(&self, compare: &Compare) -> Result<bool, ReadError> {
        if compare.range.is_single() {
            return match self.state.index.live(&compare.range.start, At::Latest) {
                Some(version) => self.meets(compare, version),
                None => Ok(missing_meets(compare)),
            };
        }
        let mut none = true;
        for (_, version) in self.state.index.range(&compare.range, At::Latest) {
            none = false;
            if !self.meets(compare, version)? {
                return Ok(false);
            }
        }
        Ok(!none || missing_meets(compare))
    }

    fn meets(&self, compare: &Compare, version: &VersionMeta) -> Result<bool, ReadError> {
        let ordering = match &compare.target {
            CompareTarget::Value(value) => self.value(version.revision())?.cmp(value),
            _ => order(
                &compare.target,
                version.version,
                version.create_revision,
                version.mod_revision(),
                LeaseId::to_wire(version.lease()),
            ),
        };
        Ok(is(compare.result, ordering))
    }
}

fn missing_meets(compare: &Compare) -> bool {
    if matches!(compare.target, CompareTarget::Value(_)) {
        return false;
    }
    let zero = Revision::ZERO;
    is(
        compare.result,
        order(&compare.target, Version::ZERO, zero, zero, 0),
    )
}

/// How the stored side stands to the given one, for all targets but the value.
fn order(
    target: &CompareTarget,
    version: Version,
    create_revision: Revision,
    mod_revision: Revision,
    lease: i64,
) -> Ordering {
    match target {
        CompareTarget::Version(given) => version.cmp(given),
        CompareTarget::Create(given) => create_revision.cmp(given),
        CompareTarget::Mod(given) => mod_revision.cmp(given),
        CompareTarget::Lease(given) => lease.cmp(given),
        CompareTarget::Value(_) | CompareTarget::Unknown => Ordering::Equal,
    }
}

fn is(result: CompareResult, ordering: Ordering) -> bool {
    match result {
        CompareResult::Equal => ordering.is_eq(),
        CompareResult::Greater => ordering.is_gt(),
        CompareResult::Less => ordering.is_lt(),
        CompareResult::NotEqual => ordering.is_ne(),
        CompareResult::Always => true,
    }
}
