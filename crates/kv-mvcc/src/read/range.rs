use std::cmp::Reverse;

use bytes::Bytes;
use kv_types::RowRevision;

use super::{Reader, key_value};
use crate::index::{At, VersionMeta};
use crate::{KeyValue, RangeError, RangeRequest, RangeResult, ReadError, SortOrder, SortTarget};

/// A key that a range found, before its value is read.
type Found<'a> = (&'a [u8], &'a VersionMeta);

impl Reader<'_> {
    /// Answers a range. Values are read only if they are asked for or sorted by.
    pub(crate) fn range(&self, request: &RangeRequest) -> Result<RangeResult, RangeError> {
        let at = self.at(request.revision)?;
        let count = self.state.index.count(&request.range, at);
        let (kvs, more) = if request.count_only {
            (Vec::new(), false)
        } else {
            self.key_values(request, at, count)?
        };
        Ok(RangeResult {
            kvs,
            more,
            count,
            revision: self.revision,
        })
    }

    /// What the range returns, and whether the limit cut something off.
    fn key_values(
        &self,
        request: &RangeRequest,
        at: At,
        count: u64,
    ) -> Result<(Vec<KeyValue>, bool), ReadError> {
        let mut found = self.find(request, at, count);
        if request.sort_target == SortTarget::Value {
            return self.sorted_by_value(request, &found);
        }
        sort(request, &mut found);
        let more = cut(&mut found, request.limit);
        let kvs = if request.keys_only {
            without_values(&found)
        } else {
            self.with_values(&found)?
        };
        Ok((kvs, more))
    }

    fn sorted_by_value(
        &self,
        request: &RangeRequest,
        found: &[Found<'_>],
    ) -> Result<(Vec<KeyValue>, bool), ReadError> {
        let mut kvs = self.with_values(found)?;
        match request.sort_order {
            SortOrder::None | SortOrder::Ascend => kvs.sort_by(|a, b| a.value.cmp(&b.value)),
            SortOrder::Descend => kvs.sort_by(|a, b| b.value.cmp(&a.value)),
        }
        let more = cut(&mut kvs, request.limit);
        if request.keys_only {
            kvs.iter_mut().for_each(|kv| kv.value = Bytes::new());
        }
        Ok((kvs, more))
    }

    /// Keys with their values.
    pub(crate) fn with_values(&self, found: &[Found<'_>]) -> Result<Vec<KeyValue>, ReadError> {
        let revisions: Vec<RowRevision> = found.iter().map(|(_, version)| version.revision()).collect();
        let values = self.values(&revisions)?;
        let keys = shared_keys(found);
        Ok(found
            .iter()
            .zip(keys)
            .zip(values)
            .map(|(((_, version), key), value)| key_value(key, version, value))
            .collect())
    }

    /// The keys that pass the filters, in the order of keys; no more than are needed of the `count` there are.
    fn find<'a>(&'a self, request: &'a RangeRequest, at: At, count: u64) -> Vec<Found<'a>> {
        if request.range.is_single() {
            let key = &request.range.start[..];
            let live = self
                .state
                .index
                .live(key, at)
                .filter(|version| passes(request, version));
            return live.map(|version| (key, version)).into_iter().collect();
        }
        let fetch_max = fetch_max(request);
        let live = self.state.index.range(&request.range, at);
        let passing = live.filter(|(_, version)| passes(request, version));
        let mut found = Vec::with_capacity(fetch_max.min(saturated(count)));
        found.extend(passing.take(fetch_max));
        found
    }
}

/// How many keys in the order of keys decide the answer: one more than the limit, which tells whether there
/// are more, or all.
///
/// A range by another target than the key but without an order is sorted only after its first keys were
/// fetched, unless it has a filter: as in etcd, and so seen by clients.
pub(super) fn fetch_max(request: &RangeRequest) -> usize {
    let by_key = request.sort_target == SortTarget::Key;
    let first_suffice = match request.sort_order {
        SortOrder::None => by_key || !has_filter(request),
        SortOrder::Ascend => by_key,
        SortOrder::Descend => false,
    };
    if request.limit > 0 && first_suffice {
        saturated(request.limit).saturating_add(1)
    } else {
        usize::MAX
    }
}

fn has_filter(request: &RangeRequest) -> bool {
    [
        request.min_mod,
        request.max_mod,
        request.min_create,
        request.max_create,
    ]
    .iter()
    .any(Option::is_some)
}

fn passes(request: &RangeRequest, version: &VersionMeta) -> bool {
    request.min_mod.is_none_or(|min| version.mod_revision() >= min)
        && request.max_mod.is_none_or(|max| version.mod_revision() <= max)
        && request
            .min_create
            .is_none_or(|min| version.create_revision >= min)
        && request
            .max_create
            .is_none_or(|max| version.create_revision <= max)
}

/// Sorts by anything but the value. What is found is in the order of keys already.
fn sort(request: &RangeRequest, found: &mut [Found<'_>]) {
    let by: fn(&Found<'_>) -> i64 = match request.sort_target {
        SortTarget::Key | SortTarget::Value => {
            if request.sort_order == SortOrder::Descend {
                found.reverse();
            }
            return;
        }
        SortTarget::Version => |(_, version)| version.version.get(),
        SortTarget::Create => |(_, version)| version.create_revision.get(),
        SortTarget::Mod => |(_, version)| version.mod_revision().get(),
    };
    match request.sort_order {
        SortOrder::None | SortOrder::Ascend => found.sort_by_key(by),
        SortOrder::Descend => found.sort_by_key(|found| Reverse(by(found))),
    }
}

/// Cuts to a limit that is not zero and tells whether that took something away.
fn cut<T>(items: &mut Vec<T>, limit: u64) -> bool {
    let more = limit > 0 && items.len() > saturated(limit);
    if more {
        items.truncate(saturated(limit));
    }
    more
}

fn saturated(number: u64) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}

/// Keys as a range without values answers them: without their leases too, as in etcd 3.7.
fn without_values(found: &[Found<'_>]) -> Vec<KeyValue> {
    let keys = found.iter().zip(shared_keys(found));
    keys.map(|((_, version), key)| KeyValue {
        lease: None,
        ..key_value(key, version, Bytes::new())
    })
    .collect()
}

/// Copies of the keys, all in one piece of memory: hundreds of small ones cost more than all the rest of a range.
fn shared_keys(found: &[Found<'_>]) -> impl Iterator<Item = Bytes> {
    let mut bytes = Vec::with_capacity(found.iter().map(|(key, _)| key.len()).sum());
    found.iter().for_each(|(key, _)| bytes.extend_from_slice(key));
    let mut rest = Bytes::from(bytes);
    found.iter().map(move |(key, _)| rest.split_to(key.len()))
}
