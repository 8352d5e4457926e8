use kv_mvcc::{DeleteRequest, PutLease, PutRequest, PutValue, RangeRequest, SortOrder, SortTarget};
use kv_proto::etcdserverpb as etcd;
use kv_types::{KeyRange, LeaseId, Revision};

use crate::Refusal;

/// Checks and converts a range. Whether it may be answered from local state is for the caller to read first.
pub(crate) fn range(request: etcd::RangeRequest) -> Result<RangeRequest, Refusal> {
    if request.key.is_empty() {
        return Err(Refusal::KeyNotProvided);
    }
    let sort_order = match etcd::range_request::SortOrder::try_from(request.sort_order) {
        Ok(etcd::range_request::SortOrder::None) => SortOrder::None,
        Ok(etcd::range_request::SortOrder::Ascend) => SortOrder::Ascend,
        Ok(etcd::range_request::SortOrder::Descend) => SortOrder::Descend,
        Err(_) => return Err(Refusal::InvalidSortOption),
    };
    let sort_target = match etcd::range_request::SortTarget::try_from(request.sort_target) {
        Ok(etcd::range_request::SortTarget::Key) => SortTarget::Key,
        Ok(etcd::range_request::SortTarget::Version) => SortTarget::Version,
        Ok(etcd::range_request::SortTarget::Create) => SortTarget::Create,
        Ok(etcd::range_request::SortTarget::Mod) => SortTarget::Mod,
        Ok(etcd::range_request::SortTarget::Value) => SortTarget::Value,
        Err(_) => return Err(Refusal::InvalidSortOption),
    };
    let bound = |revision: i64| (revision != 0).then_some(Revision::new(revision));
    Ok(RangeRequest {
        range: KeyRange::from_wire(request.key, request.range_end),
        limit: u64::try_from(request.limit).unwrap_or(0),
        // A negative one stays: a transaction takes it as compacted.
        revision: bound(request.revision),
        sort_order,
        sort_target,
        keys_only: request.keys_only,
        count_only: request.count_only,
        min_mod: bound(request.min_mod_revision),
        max_mod: bound(request.max_mod_revision),
        min_create: bound(request.min_create_revision),
        max_create: bound(request.max_create_revision),
    })
}

/// Checks and converts a put.
pub(crate) fn put(request: etcd::PutRequest) -> Result<PutRequest, Refusal> {
    if request.key.is_empty() {
        return Err(Refusal::KeyNotProvided);
    }
    let value = match request.ignore_value {
        true if !request.value.is_empty() => return Err(Refusal::ValueProvided),
        true => PutValue::Keep,
        false => PutValue::New(request.value),
    };
    let lease = match request.ignore_lease {
        true if request.lease != 0 => return Err(Refusal::LeaseProvided),
        true => PutLease::Keep,
        false => PutLease::Set(LeaseId::from_wire(request.lease)),
    };
    Ok(PutRequest {
        key: request.key,
        value,
        lease,
        prev_kv: request.prev_kv,
    })
}

/// Checks and converts a deletion.
pub(crate) fn delete(request: etcd::DeleteRangeRequest) -> Result<DeleteRequest, Refusal> {
    if request.key.is_empty() {
        return Err(Refusal::KeyNotProvided);
    }
    Ok(DeleteRequest {
        range: KeyRange::from_wire(request.key, request.range_end),
        prev_kv: request.prev_kv,
    })
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    fn key() -> Bytes {
        Bytes::from_static(b"k")
    }

    #[test]
    fn an_empty_key_is_refused() {
        assert_eq!(range(etcd::RangeRequest::default()), Err(Refusal::KeyNotProvided));
        assert_eq!(put(etcd::PutRequest::default()), Err(Refusal::KeyNotProvided));
        assert_eq!(
            delete(etcd::DeleteRangeRequest::default()),
            Err(Refusal::KeyNotProvided)
        );
    }

    #[test]
    fn unknown_orders_are_refused() {
        for (sort_order, sort_target) in [(3, 0), (-1, 0), (0, 5), (0, -1)] {
            let request = etcd::RangeRequest {
                key: key(),
                sort_order,
                sort_target,
                ..Default::default()
            };
            assert_eq!(range(request), Err(Refusal::InvalidSortOption));
        }
    }

    #[test]
    fn zero_and_negative_mean_absent_where_etcd_reads_them_so() {
        let request = etcd::RangeRequest {
            key: key(),
            limit: -1,
            revision: -1,
            ..Default::default()
        };
        let at_negative = RangeRequest {
            revision: Some(Revision::new(-1)),
            ..RangeRequest::new(KeyRange::single(key()))
        };
        assert_eq!(range(request), Ok(at_negative));
        let request = etcd::RangeRequest {
            key: key(),
            limit: 2,
            revision: 3,
            max_mod_revision: -4,
            ..Default::default()
        };
        let converted = range(request).unwrap();
        assert_eq!((converted.limit, converted.revision), (2, Some(Revision::new(3))));
        assert_eq!(
            (converted.min_mod, converted.max_mod),
            (None, Some(Revision::new(-4)))
        );
    }

    #[test]
    fn what_a_put_keeps_it_must_not_bring() {
        let keep_value = etcd::PutRequest {
            key: key(),
            ignore_value: true,
            ..Default::default()
        };
        assert_eq!(put(keep_value.clone()).unwrap().value, PutValue::Keep);
        let brings = etcd::PutRequest {
            value: key(),
            ..keep_value
        };
        assert_eq!(put(brings), Err(Refusal::ValueProvided));

        let keep_lease = etcd::PutRequest {
            key: key(),
            ignore_lease: true,
            ..Default::default()
        };
        assert_eq!(put(keep_lease.clone()).unwrap().lease, PutLease::Keep);
        let brings = etcd::PutRequest {
            lease: 1,
            ..keep_lease
        };
        assert_eq!(put(brings), Err(Refusal::LeaseProvided));
    }
}
