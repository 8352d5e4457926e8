//! The fields of store operations inside a command, in the order written here.

use bytes::Bytes;
use kv_mvcc::{
    Compare, CompareResult, CompareTarget, DeleteRequest, Op, PutLease, PutRequest, PutValue, RangeRequest,
    SortOrder, SortTarget, TxnRequest,
};
use kv_types::{KeyRange, LeaseId, RangeEnd, Revision, Version};

use crate::codec::{CodecError, Reader, Write};

/// How deep transactions may nest in a decoded command: above what any limit on operations lets through.
const TXN_DEPTH_MAX: usize = 256;

pub(crate) fn write_put(buffer: &mut Vec<u8>, request: &PutRequest) {
    buffer.bytes(&request.key);
    match &request.value {
        PutValue::Keep => buffer.tag(0),
        PutValue::New(value) => {
            buffer.tag(1);
            buffer.bytes(value);
        }
    }
    match request.lease {
        PutLease::Keep => buffer.tag(0),
        PutLease::Set(lease) => {
            buffer.tag(1);
            buffer.signed(LeaseId::to_wire(lease));
        }
    }
    buffer.flag(request.prev_kv);
}

pub(crate) fn read_put(reader: &mut Reader<'_>) -> Result<PutRequest, CodecError> {
    Ok(PutRequest {
        key: reader.bytes()?,
        value: match reader.tag()? {
            0 => PutValue::Keep,
            1 => PutValue::New(reader.bytes()?),
            _ => return Err(reader.error("put value")),
        },
        lease: match reader.tag()? {
            0 => PutLease::Keep,
            1 => PutLease::Set(LeaseId::from_wire(reader.signed()?)),
            _ => return Err(reader.error("put lease")),
        },
        prev_kv: reader.flag()?,
    })
}

pub(crate) fn write_delete(buffer: &mut Vec<u8>, request: &DeleteRequest) {
    write_key_range(buffer, &request.range);
    buffer.flag(request.prev_kv);
}

pub(crate) fn read_delete(reader: &mut Reader<'_>) -> Result<DeleteRequest, CodecError> {
    Ok(DeleteRequest {
        range: read_key_range(reader)?,
        prev_kv: reader.flag()?,
    })
}

pub(crate) fn write_txn(buffer: &mut Vec<u8>, request: &TxnRequest) {
    buffer.unsigned(request.compare.len() as u64);
    for compare in &request.compare {
        write_compare(buffer, compare);
    }
    for branch in [&request.success, &request.failure] {
        buffer.unsigned(branch.len() as u64);
        for op in branch {
            write_op(buffer, op);
        }
    }
}

pub(crate) fn read_txn(reader: &mut Reader<'_>) -> Result<TxnRequest, CodecError> {
    read_txn_within(reader, TXN_DEPTH_MAX)
}

fn read_txn_within(reader: &mut Reader<'_>, depth: usize) -> Result<TxnRequest, CodecError> {
    let Some(depth) = depth.checked_sub(1) else {
        return Err(reader.error("transaction depth"));
    };
    Ok(TxnRequest {
        compare: reader.list(read_compare)?,
        success: reader.list(|reader| read_op(reader, depth))?,
        failure: reader.list(|reader| read_op(reader, depth))?,
    })
}

fn write_op(buffer: &mut Vec<u8>, op: &Op) {
    match op {
        Op::Range(request) => {
            buffer.tag(1);
            write_range(buffer, request);
        }
        Op::Put(request) => {
            buffer.tag(2);
            write_put(buffer, request);
        }
        Op::Delete(request) => {
            buffer.tag(3);
            write_delete(buffer, request);
        }
        Op::Txn(request) => {
            buffer.tag(4);
            write_txn(buffer, request);
        }
    }
}

fn read_op(reader: &mut Reader<'_>, depth: usize) -> Result<Op, CodecError> {
    Ok(match reader.tag()? {
        1 => Op::Range(read_range(reader)?),
        2 => Op::Put(read_put(reader)?),
        3 => Op::Delete(read_delete(reader)?),
        4 => Op::Txn(Box::new(read_txn_within(reader, depth)?)),
        _ => return Err(reader.error("operation")),
    })
}

fn write_compare(buffer: &mut Vec<u8>, compare: &Compare) {
    write_key_range(buffer, &compare.range);
    match &compare.target {
        CompareTarget::Version(version) => {
            buffer.tag(0);
            buffer.signed(version.get());
        }
        CompareTarget::Create(revision) => {
            buffer.tag(1);
            buffer.signed(revision.get());
        }
        CompareTarget::Mod(revision) => {
            buffer.tag(2);
            buffer.signed(revision.get());
        }
        CompareTarget::Value(value) => {
            buffer.tag(3);
            buffer.bytes(value);
        }
        CompareTarget::Lease(lease) => {
            buffer.tag(4);
            buffer.signed(*lease);
        }
        CompareTarget::Unknown => buffer.tag(5),
    }
    buffer.tag(match compare.result {
        CompareResult::Equal => 0,
        CompareResult::Greater => 1,
        CompareResult::Less => 2,
        CompareResult::NotEqual => 3,
        CompareResult::Always => 4,
    });
}

fn read_compare(reader: &mut Reader<'_>) -> Result<Compare, CodecError> {
    Ok(Compare {
        range: read_key_range(reader)?,
        target: match reader.tag()? {
            0 => CompareTarget::Version(Version::new(reader.signed()?)),
            1 => CompareTarget::Create(Revision::new(reader.signed()?)),
            2 => CompareTarget::Mod(Revision::new(reader.signed()?)),
            3 => CompareTarget::Value(reader.bytes()?),
            4 => CompareTarget::Lease(reader.signed()?),
            5 => CompareTarget::Unknown,
            _ => return Err(reader.error("compare target")),
        },
        result: match reader.tag()? {
            0 => CompareResult::Equal,
            1 => CompareResult::Greater,
            2 => CompareResult::Less,
            3 => CompareResult::NotEqual,
            4 => CompareResult::Always,
            _ => return Err(reader.error("compare result")),
        },
    })
}

fn write_range(buffer: &mut Vec<u8>, request: &RangeRequest) {
    write_key_range(buffer, &request.range);
    buffer.unsigned(request.limit);
    buffer.tag(match request.sort_order {
        SortOrder::None => 0,
        SortOrder::Ascend => 1,
        SortOrder::Descend => 2,
    });
    buffer.tag(match request.sort_target {
        SortTarget::Key => 0,
        SortTarget::Version => 1,
        SortTarget::Create => 2,
        SortTarget::Mod => 3,
        SortTarget::Value => 4,
    });
    buffer.flag(request.keys_only);
    buffer.flag(request.count_only);
    let revisions = [
        request.revision,
        request.min_mod,
        request.max_mod,
        request.min_create,
        request.max_create,
    ];
    for revision in revisions {
        buffer.flag(revision.is_some());
        if let Some(revision) = revision {
            buffer.signed(revision.get());
        }
    }
}

fn read_range(reader: &mut Reader<'_>) -> Result<RangeRequest, CodecError> {
    Ok(RangeRequest {
        range: read_key_range(reader)?,
        limit: reader.unsigned()?,
        sort_order: match reader.tag()? {
            0 => SortOrder::None,
            1 => SortOrder::Ascend,
            2 => SortOrder::Descend,
            _ => return Err(reader.error("sort order")),
        },
        sort_target: match reader.tag()? {
            0 => SortTarget::Key,
            1 => SortTarget::Version,
            2 => SortTarget::Create,
            3 => SortTarget::Mod,
            4 => SortTarget::Value,
            _ => return Err(reader.error("sort target")),
        },
        keys_only: reader.flag()?,
        count_only: reader.flag()?,
        revision: read_optional_revision(reader)?,
        min_mod: read_optional_revision(reader)?,
        max_mod: read_optional_revision(reader)?,
        min_create: read_optional_revision(reader)?,
        max_create: read_optional_revision(reader)?,
    })
}

fn read_optional_revision(reader: &mut Reader<'_>) -> Result<Option<Revision>, CodecError> {
    if reader.flag()? {
        reader.signed().map(|value| Some(Revision::new(value)))
    } else {
        Ok(None)
    }
}

fn write_key_range(buffer: &mut Vec<u8>, range: &KeyRange) {
    buffer.bytes(&range.start);
    match &range.end {
        RangeEnd::Single => buffer.tag(0),
        RangeEnd::Unbounded => buffer.tag(1),
        RangeEnd::Before(end) => {
            buffer.tag(2);
            buffer.bytes(end);
        }
    }
}

fn read_key_range(reader: &mut Reader<'_>) -> Result<KeyRange, CodecError> {
    let start: Bytes = reader.bytes()?;
    let end = match reader.tag()? {
        0 => RangeEnd::Single,
        1 => RangeEnd::Unbounded,
        2 => RangeEnd::Before(reader.bytes()?),
        _ => return Err(reader.error("range end")),
    };
    Ok(KeyRange { start, end })
}
