//! The store done naively: a full copy of all keys for each revision, and the rules of the API applied to it
//! one after the other.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use kv_types::{KeyRange, LeaseId, Revision, RowRevision, Version};

use crate::*;

pub(super) type Keys = BTreeMap<Bytes, Row>;
pub(super) type Answer<T> = Result<T, String>;

const COMPACTED: &str = "required revision has been compacted";
const FUTURE: &str = "required revision is a future revision";

#[derive(Clone)]
pub(super) struct Model {
    /// The keys at each revision from 0 on.
    pub(super) history: Vec<Keys>,
    /// Everything that ever happened, with what was live at the key one revision before.
    pub(super) changes: Vec<(Row, Option<RowRevision>)>,
    /// −1 for never.
    pub(super) compacted: i64,
}

/// A request under way: the keys as it has them so far.
struct Work<'a> {
    model: &'a Model,
    keys: Keys,
    changes: Vec<(Row, Option<RowRevision>)>,
}

impl Model {
    pub(super) fn new() -> Self {
        Self {
            history: vec![Keys::new(), Keys::new()],
            changes: Vec::new(),
            compacted: -1,
        }
    }

    pub(super) fn revision(&self) -> i64 {
        i64::try_from(self.history.len()).unwrap() - 1
    }

    pub(super) fn keys(&self) -> &Keys {
        self.history.last().unwrap()
    }

    fn at(&self, revision: i64) -> &Keys {
        &self.history[usize::try_from(revision).unwrap()]
    }

    pub(super) fn attachments(&self) -> Vec<(LeaseId, Bytes)> {
        let keys = self.keys().values();
        keys.filter_map(|row| Some((row.lease?, row.key.clone())))
            .collect()
    }

    pub(super) fn range(&self, request: &RangeRequest) -> Answer<RangeResult> {
        match request.revision.map_or(0, Revision::get) {
            revision if revision <= 0 => Ok(answer(request, self.keys(), self.revision())),
            revision if revision > self.revision() => Err(FUTURE.to_owned()),
            revision if revision < self.compacted => Err(COMPACTED.to_owned()),
            revision => Ok(answer(request, self.at(revision), self.revision())),
        }
    }

    pub(super) fn put(&mut self, request: &PutRequest, leases: &BTreeSet<LeaseId>) -> Answer<PutResult> {
        check_put(request, self.keys(), leases)?;
        Ok(self.write(|work| work.put(request)))
    }

    pub(super) fn delete(&mut self, request: &DeleteRequest) -> DeleteResult {
        self.write(|work| work.delete(request))
    }

    pub(super) fn delete_keys(&mut self, keys: &[Bytes]) -> DeleteResult {
        let keys: BTreeSet<&Bytes> = keys.iter().collect();
        let deleted = self.write(|work| {
            let each = |key: &Bytes| DeleteRequest {
                range: KeyRange::single(key.clone()),
                prev_kv: false,
            };
            keys.into_iter().map(|key| work.delete(&each(key)).deleted).sum()
        });
        DeleteResult {
            deleted,
            prev_kvs: Vec::new(),
            revision: Revision::new(self.revision()),
        }
    }

    pub(super) fn txn(&mut self, request: &TxnRequest, leases: &BTreeSet<LeaseId>) -> Answer<TxnResult> {
        let mut path = Vec::new();
        decide(request, self.keys(), &mut path);
        self.check_branch(request, leases, &mut path.iter())?;
        Ok(self.write(|work| work.run(request, &mut path.iter())))
    }

    pub(super) fn compact(&mut self, at: i64) -> Answer<()> {
        if at <= self.compacted {
            return Err(COMPACTED.to_owned());
        }
        if at > self.revision() {
            return Err(FUTURE.to_owned());
        }
        self.compacted = at;
        Ok(())
    }

    fn write<T>(&mut self, run: impl FnOnce(&mut Work<'_>) -> T) -> T {
        let mut work = Work {
            keys: self.keys().clone(),
            model: self,
            changes: Vec::new(),
        };
        let result = run(&mut work);
        let Work { keys, changes, .. } = work;
        if !changes.is_empty() {
            self.history.push(keys);
            self.changes.extend(changes);
        }
        result
    }

    fn check_branch<'p>(
        &self,
        request: &TxnRequest,
        leases: &BTreeSet<LeaseId>,
        path: &mut impl Iterator<Item = &'p bool>,
    ) -> Answer<()> {
        for op in branch(request, *path.next().unwrap()) {
            match op {
                Op::Range(range) => match range.revision.map(Revision::get) {
                    Some(0) => {}
                    Some(revision) if revision > self.revision() => return Err(FUTURE.to_owned()),
                    Some(revision) if revision < self.compacted => return Err(COMPACTED.to_owned()),
                    _ => {}
                },
                Op::Put(put) => check_put(put, self.keys(), leases)?,
                Op::Delete(_) => {}
                Op::Txn(txn) => self.check_branch(txn, leases, path)?,
            }
        }
        Ok(())
    }

    /// etcd's hash: the rows as compactions leave them, less those it skips.
    pub(super) fn hash(&self, revision: i64) -> u32 {
        let keep = self.kept(revision, true);
        let survivors = self.kept(self.compacted, false);
        let mut bytes = b"key".to_vec();
        for (row, _) in &self.changes {
            let main = row.revision.main.get();
            if main > revision || main <= self.compacted && !survivors.contains(&row.revision) {
                continue;
            }
            if main <= self.compacted && !keep.is_empty() && !keep.contains(&row.revision) {
                continue;
            }
            if main == self.compacted && row.tombstone {
                continue;
            }
            bytes.extend(stored_by_etcd(row));
        }
        crc32c::crc32c(&bytes)
    }

    /// Of each key the newest row that is not above `at`; a tombstone only if it is at `at` and wanted.
    fn kept(&self, at: i64, puts_only: bool) -> BTreeSet<RowRevision> {
        let mut newest = BTreeMap::new();
        for (row, _) in self
            .changes
            .iter()
            .filter(|(row, _)| row.revision.main.get() <= at)
        {
            newest.insert(&row.key, row);
        }
        let kept = newest
            .values()
            .filter(|row| !row.tombstone || !puts_only && row.revision.main.get() == at);
        kept.map(|row| row.revision).collect()
    }
}

impl Work<'_> {
    fn next_revision(&self) -> i64 {
        self.model.revision() + 1
    }

    fn revision(&self) -> i64 {
        if self.changes.is_empty() {
            self.model.revision()
        } else {
            self.next_revision()
        }
    }

    fn record(&mut self, mut row: Row) {
        row.revision.main = Revision::new(self.next_revision());
        row.revision.sub = u32::try_from(self.changes.len()).unwrap();
        let creation = !row.tombstone && row.create_revision.get() == self.next_revision();
        let before = self.model.keys().get(&row.key).map(|row| row.revision);
        let prev = before.filter(|_| !creation);
        if row.tombstone {
            self.keys.remove(&row.key);
        } else {
            self.keys.insert(row.key.clone(), row.clone());
        }
        self.changes.push((row, prev));
    }

    fn put(&mut self, request: &PutRequest) -> PutResult {
        let before = self.keys.get(&request.key).cloned();
        let value = match &request.value {
            PutValue::New(value) => value.clone(),
            PutValue::Keep => before.as_ref().map(|row| row.value.clone()).unwrap_or_default(),
        };
        let lease = match request.lease {
            PutLease::Set(lease) => lease,
            PutLease::Keep => before.as_ref().and_then(|row| row.lease),
        };
        let next = Revision::new(self.next_revision());
        self.record(Row {
            revision: RowRevision::default(),
            key: request.key.clone(),
            value,
            create_revision: before.as_ref().map_or(next, |row| row.create_revision),
            version: before.as_ref().map_or(Version::FIRST, |row| row.version.next()),
            lease,
            tombstone: false,
        });
        let prev_kv = before.filter(|_| request.prev_kv).map(|row| row.key_value());
        PutResult {
            prev_kv,
            revision: next,
        }
    }

    fn delete(&mut self, request: &DeleteRequest) -> DeleteResult {
        let found: Vec<Row> = inside(&request.range, &self.keys).cloned().collect();
        for row in &found {
            self.record(Row::tombstone(RowRevision::default(), row.key.clone()));
        }
        let prev_kvs = found
            .iter()
            .filter(|_| request.prev_kv)
            .map(Row::key_value)
            .collect();
        DeleteResult {
            deleted: found.len() as u64,
            prev_kvs,
            revision: Revision::new(self.revision()),
        }
    }

    fn run<'p>(&mut self, request: &TxnRequest, path: &mut impl Iterator<Item = &'p bool>) -> TxnResult {
        let succeeded = *path.next().unwrap();
        let mut responses = Vec::new();
        for op in branch(request, succeeded) {
            responses.push(match op {
                Op::Range(range) => OpResult::Range(match range.revision.map_or(0, Revision::get) {
                    revision if revision <= 0 => answer(range, &self.keys, self.revision()),
                    revision => answer(range, self.model.at(revision), self.revision()),
                }),
                Op::Put(put) => OpResult::Put(self.put(put)),
                Op::Delete(delete) => OpResult::Delete(self.delete(delete)),
                Op::Txn(txn) => OpResult::Txn(self.run(txn, path)),
            });
        }
        TxnResult {
            succeeded,
            responses,
            revision: Revision::new(self.revision()),
        }
    }
}

fn branch(request: &TxnRequest, succeeded: bool) -> &[Op] {
    if succeeded {
        &request.success
    } else {
        &request.failure
    }
}

fn inside<'a>(range: &'a KeyRange, keys: &'a Keys) -> impl Iterator<Item = &'a Row> {
    keys.values().filter(|row| range.contains(&row.key))
}

fn check_put(request: &PutRequest, keys: &Keys, leases: &BTreeSet<LeaseId>) -> Answer<()> {
    if let PutLease::Set(Some(lease)) = request.lease
        && !leases.contains(&lease)
    {
        return Err("lease not found".to_owned());
    }
    let keeps = request.value == PutValue::Keep || request.lease == PutLease::Keep;
    if keeps && !keys.contains_key(&request.key) {
        return Err("key not found".to_owned());
    }
    Ok(())
}

/// Evaluates the conditions that can be reached, in the order in which the branches are entered.
fn decide(request: &TxnRequest, keys: &Keys, path: &mut Vec<bool>) {
    let succeeded = request.compare.iter().all(|compare| holds(compare, keys));
    path.push(succeeded);
    for op in branch(request, succeeded) {
        if let Op::Txn(nested) = op {
            decide(nested, keys, path);
        }
    }
}

fn holds(compare: &Compare, keys: &Keys) -> bool {
    let mut found: Vec<Row> = inside(&compare.range, keys).cloned().collect();
    if found.is_empty() {
        if matches!(compare.target, CompareTarget::Value(_)) {
            return false;
        }
        found.push(Row::tombstone(RowRevision::default(), Bytes::new()));
    }
    found.iter().all(|row| {
        let ordering = match &compare.target {
            CompareTarget::Version(given) => row.version.cmp(given),
            CompareTarget::Create(given) => row.create_revision.cmp(given),
            CompareTarget::Mod(given) => row.revision.main.cmp(given),
            CompareTarget::Value(given) => row.value.cmp(given),
            CompareTarget::Lease(given) => LeaseId::to_wire(row.lease).cmp(given),
            CompareTarget::Unknown => std::cmp::Ordering::Equal,
        };
        match compare.result {
            CompareResult::Equal => ordering.is_eq(),
            CompareResult::Greater => ordering.is_gt(),
            CompareResult::Less => ordering.is_lt(),
            CompareResult::NotEqual => ordering.is_ne(),
            CompareResult::Always => true,
        }
    })
}

/// A range over one state, step by step as the API sheet has it.
fn answer(request: &RangeRequest, keys: &Keys, revision: i64) -> RangeResult {
    let mut found: Vec<KeyValue> = inside(&request.range, keys).map(Row::key_value).collect();
    let count = found.len() as u64;
    let revision = Revision::new(revision);
    if request.count_only {
        return RangeResult {
            kvs: Vec::new(),
            more: false,
            count,
            revision,
        };
    }
    let limit = usize::try_from(request.limit).unwrap();
    let filters = [
        request.min_mod,
        request.max_mod,
        request.min_create,
        request.max_create,
    ];
    let unfiltered = filters.iter().all(Option::is_none);
    if request.sort_order == SortOrder::None && unfiltered && limit > 0 {
        found.truncate(limit + 1);
    }
    found.retain(|kv| {
        request.min_mod.is_none_or(|min| min <= kv.mod_revision)
            && request.max_mod.is_none_or(|max| kv.mod_revision <= max)
            && request.min_create.is_none_or(|min| min <= kv.create_revision)
            && request.max_create.is_none_or(|max| kv.create_revision <= max)
    });
    found.sort_by(|a, b| {
        let ordering = match request.sort_target {
            SortTarget::Key => a.key.cmp(&b.key),
            SortTarget::Version => a.version.cmp(&b.version),
            SortTarget::Create => a.create_revision.cmp(&b.create_revision),
            SortTarget::Mod => a.mod_revision.cmp(&b.mod_revision),
            SortTarget::Value => a.value.cmp(&b.value),
        };
        if request.sort_order == SortOrder::Descend {
            ordering.reverse()
        } else {
            ordering
        }
    });
    let more = limit > 0 && found.len() > limit;
    if more {
        found.truncate(limit);
    }
    if request.keys_only {
        for kv in &mut found {
            kv.value = Bytes::new();
            if request.sort_target != SortTarget::Value {
                kv.lease = None;
            }
        }
    }
    RangeResult {
        kvs: found,
        more,
        count,
        revision,
    }
}

/// A row's key and value in etcd's backend.
fn stored_by_etcd(row: &Row) -> Vec<u8> {
    let mut bytes = row.revision.main.get().to_be_bytes().to_vec();
    bytes.push(b'_');
    bytes.extend(i64::from(row.revision.sub).to_be_bytes());
    let field = |bytes: &mut Vec<u8>, tag: u8, mut value: u64, payload: &[u8]| {
        if value == 0 {
            return;
        }
        bytes.push(tag);
        while value > 127 {
            bytes.push(u8::try_from(value % 128).unwrap() + 128);
            value /= 128;
        }
        bytes.push(u8::try_from(value).unwrap());
        bytes.extend(payload);
    };
    if row.tombstone {
        bytes.push(b't');
        field(&mut bytes, 0x0a, row.key.len() as u64, &row.key);
        return bytes;
    }
    field(&mut bytes, 0x0a, row.key.len() as u64, &row.key);
    field(&mut bytes, 0x10, row.create_revision.get().cast_unsigned(), &[]);
    field(&mut bytes, 0x18, row.revision.main.get().cast_unsigned(), &[]);
    field(&mut bytes, 0x20, row.version.get().cast_unsigned(), &[]);
    field(&mut bytes, 0x2a, row.value.len() as u64, &row.value);
    field(&mut bytes, 0x30, LeaseId::to_wire(row.lease).cast_unsigned(), &[]);
    bytes
}
