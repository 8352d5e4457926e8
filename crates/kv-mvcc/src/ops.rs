//! Requests and their results as plain values. No wire format: what is zero or empty on the wire is an
//! `Option` or an enum here. Requests are checked (non-empty keys, transaction limits, no two writes of one
//! key in a transaction) before they come here.

use bytes::Bytes;
use kv_types::{KeyRange, LeaseId, Revision, Version};

/// What a range is ordered by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SortTarget {
    /// The key's bytes.
    #[default]
    Key,
    /// The version.
    Version,
    /// The create revision.
    Create,
    /// The mod revision.
    Mod,
    /// The value's bytes.
    Value,
}

/// In which direction a range is ordered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SortOrder {
    /// None asked for: the order of keys, or ascending if the target is another one.
    #[default]
    None,
    /// Smallest first.
    Ascend,
    /// Largest first.
    Descend,
}

/// Asks for the keys of an interval as they are or were.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RangeRequest {
    /// The interval.
    pub range: KeyRange,
    /// Most keys to return; 0 for all.
    pub limit: u64,
    /// The revision to read at; the current one if absent.
    pub revision: Option<Revision>,
    /// Direction of the order.
    pub sort_order: SortOrder,
    /// What to order by.
    pub sort_target: SortTarget,
    /// Leave the values out.
    pub keys_only: bool,
    /// Answer the count alone.
    pub count_only: bool,
    /// Leave out keys last put before this revision.
    pub min_mod: Option<Revision>,
    /// Leave out keys last put after this revision.
    pub max_mod: Option<Revision>,
    /// Leave out keys created before this revision.
    pub min_create: Option<Revision>,
    /// Leave out keys created after this revision.
    pub max_create: Option<Revision>,
}

impl RangeRequest {
    /// Everything in `range` as it is now, in the order of keys.
    pub fn new(range: KeyRange) -> Self {
        Self {
            range,
            limit: 0,
            revision: None,
            sort_order: SortOrder::None,
            sort_target: SortTarget::Key,
            keys_only: false,
            count_only: false,
            min_mod: None,
            max_mod: None,
            min_create: None,
            max_create: None,
        }
    }
}

/// A key with its value and history marks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyValue {
    /// The key.
    pub key: Bytes,
    /// The revision of the put that began this life of the key.
    pub create_revision: Revision,
    /// The revision of the last put.
    pub mod_revision: Revision,
    /// How often the key was put in this life.
    pub version: Version,
    /// The value; empty if only keys were asked for.
    pub value: Bytes,
    /// The lease the key is attached to.
    pub lease: Option<LeaseId>,
}

/// Answer to a [`RangeRequest`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RangeResult {
    /// The keys asked for.
    pub kvs: Vec<KeyValue>,
    /// Whether the limit cut something off.
    pub more: bool,
    /// How many keys of the interval exist at the revision read, whatever the limit and the filters.
    pub count: u64,
    /// The current revision, not the one read at.
    pub revision: Revision,
}

/// The value a put gives its key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PutValue {
    /// This one.
    New(Bytes),
    /// The one it has.
    Keep,
}

/// The lease a put attaches its key to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PutLease {
    /// This one, or none.
    Set(Option<LeaseId>),
    /// The one it has, or none.
    Keep,
}

/// Gives a key a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PutRequest {
    /// The key.
    pub key: Bytes,
    /// Its value.
    pub value: PutValue,
    /// Its lease.
    pub lease: PutLease,
    /// Answer with what the key was before.
    pub prev_kv: bool,
}

/// Answer to a [`PutRequest`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PutResult {
    /// What the key was before, if asked for and if it existed.
    pub prev_kv: Option<KeyValue>,
    /// The revision of this put.
    pub revision: Revision,
}

/// Deletes every key of an interval.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeleteRequest {
    /// The interval.
    pub range: KeyRange,
    /// Answer with what the keys were before.
    pub prev_kv: bool,
}

/// Answer to a [`DeleteRequest`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeleteResult {
    /// How many keys were deleted.
    pub deleted: u64,
    /// What they were before, in the order of keys, if asked for.
    pub prev_kvs: Vec<KeyValue>,
    /// The revision of the deletion, or the current one if nothing was deleted.
    pub revision: Revision,
}

/// What a [`Compare`] looks at, with what it is compared to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CompareTarget {
    /// The version.
    Version(Version),
    /// The create revision.
    Create(Revision),
    /// The mod revision.
    Mod(Revision),
    /// The value's bytes. Never holds for a key that does not exist.
    Value(Bytes),
    /// The lease in wire form, where zero is none.
    Lease(i64),
    /// A target that is not known: everything is equal to it.
    Unknown,
}

/// How the stored side of a [`Compare`] must stand to the given one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CompareResult {
    /// Stored = given.
    Equal,
    /// Stored > given.
    Greater,
    /// Stored < given.
    Less,
    /// Stored ≠ given.
    NotEqual,
    /// A relation that is not known: it holds, except where nothing does (see [`CompareTarget::Value`]).
    Always,
}

/// A condition that every existing key of an interval must meet; if there is none, an all-zero one must.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Compare {
    /// The interval.
    pub range: KeyRange,
    /// What is compared.
    pub target: CompareTarget,
    /// The relation asked for.
    pub result: CompareResult,
}

/// Runs one of two lists of operations at one revision.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TxnRequest {
    /// If all of these hold …
    pub compare: Vec<Compare>,
    /// … these operations run,
    pub success: Vec<Op>,
    /// otherwise these.
    pub failure: Vec<Op>,
}

/// An operation of a transaction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Op {
    /// Reads.
    Range(RangeRequest),
    /// Puts one key.
    Put(PutRequest),
    /// Deletes an interval.
    Delete(DeleteRequest),
    /// Nests.
    Txn(Box<TxnRequest>),
}

/// Answer to a [`TxnRequest`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TxnResult {
    /// Which list ran: `success` if true.
    pub succeeded: bool,
    /// One answer for each operation that ran, of the same kind.
    pub responses: Vec<OpResult>,
    /// The revision of this transaction if it changed something up to its end, else the current one.
    pub revision: Revision,
}

/// Answer to an [`Op`]. The revisions inside are those etcd gives them: what the transaction had reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OpResult {
    /// To [`Op::Range`].
    Range(RangeResult),
    /// To [`Op::Put`].
    Put(PutResult),
    /// To [`Op::Delete`].
    Delete(DeleteResult),
    /// To [`Op::Txn`].
    Txn(TxnResult),
}

/// The hash of all history up to a revision, equal to etcd's for equal history and compaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HashKv {
    /// CRC-32C.
    pub hash: u32,
    /// The compaction the hash takes into account; −1 if there was none.
    pub compact_revision: Revision,
    /// The revision hashed up to.
    pub hash_revision: Revision,
    /// The current revision.
    pub revision: Revision,
}
