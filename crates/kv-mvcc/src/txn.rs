use crate::read::Reader;
use crate::{
    Compare, DeleteRequest, LeaseBook, Op, PutRequest, PutValue, RangeRequest, ReadError, TxnRequest,
    WriteError,
};
use crate::{PutLease, index::At};

/// A transaction of which both branches only read, so that it needs no place in history.
#[derive(Clone, Debug)]
pub struct ReadOnlyTxn<'a> {
    pub(crate) compare: &'a [Compare],
    pub(crate) success: Vec<&'a RangeRequest>,
    pub(crate) failure: Vec<&'a RangeRequest>,
}

impl ReadOnlyTxn<'_> {
    /// The ranges of both branches.
    pub fn ranges(&self) -> impl Iterator<Item = &RangeRequest> {
        self.success.iter().chain(&self.failure).copied()
    }
}

impl TxnRequest {
    /// This transaction as one that only reads: if every operation of both branches is a range. A nested
    /// transaction counts as a write whatever is in it, as in etcd.
    pub fn read_only(&self) -> Option<ReadOnlyTxn<'_>> {
        Some(ReadOnlyTxn {
            compare: &self.compare,
            success: only_ranges(&self.success)?,
            failure: only_ranges(&self.failure)?,
        })
    }
}

fn only_ranges(ops: &[Op]) -> Option<Vec<&RangeRequest>> {
    let ranges = ops.iter().map(|op| match op {
        Op::Range(request) => Some(request),
        Op::Put(_) | Op::Delete(_) | Op::Txn(_) => None,
    });
    ranges.collect()
}

/// The part of a transaction that will run: all conditions are decided, nothing has run yet.
pub(crate) struct Branch<'a> {
    pub(crate) succeeded: bool,
    pub(crate) steps: Vec<Step<'a>>,
}

/// An operation that will run.
pub(crate) enum Step<'a> {
    Range(&'a RangeRequest),
    Put(&'a PutRequest),
    Delete(&'a DeleteRequest),
    Txn(Branch<'a>),
}

impl<'a> Branch<'a> {
    /// Decides the conditions of a transaction and of the nested ones that will run, on the state before any
    /// of it runs.
    pub(crate) fn choose(reader: &Reader<'_>, txn: &'a TxnRequest) -> Result<Self, ReadError> {
        let succeeded = reader.all_hold(&txn.compare)?;
        let ops = if succeeded { &txn.success } else { &txn.failure };
        let steps = ops.iter().map(|op| {
            Ok(match op {
                Op::Range(request) => Step::Range(request),
                Op::Put(request) => Step::Put(request),
                Op::Delete(request) => Step::Delete(request),
                Op::Txn(nested) => Step::Txn(Self::choose(reader, nested)?),
            })
        });
        Ok(Self {
            succeeded,
            steps: steps.collect::<Result<_, ReadError>>()?,
        })
    }

    /// Checks everything that could be refused, on the state before any of it runs.
    pub(crate) fn check(&self, reader: &Reader<'_>, leases: &dyn LeaseBook) -> Result<(), WriteError> {
        for step in &self.steps {
            match step {
                Step::Range(request) => reader.check_range(request)?,
                Step::Put(request) => check_put(reader, leases, request)?,
                Step::Delete(_) => {}
                Step::Txn(branch) => branch.check(reader, leases)?,
            }
        }
        Ok(())
    }
}

/// Checks that the lease exists, and the key if something of it is to be kept.
pub(crate) fn check_put(
    reader: &Reader<'_>,
    leases: &dyn LeaseBook,
    request: &PutRequest,
) -> Result<(), WriteError> {
    if let PutLease::Set(Some(lease)) = request.lease
        && !leases.exists(lease)
    {
        return Err(WriteError::LeaseNotFound);
    }
    let keeps = request.value == PutValue::Keep || request.lease == PutLease::Keep;
    if keeps && reader.state.index.live(&request.key, At::Latest).is_none() {
        return Err(WriteError::KeyNotFound);
    }
    Ok(())
}
