//! Log matching: if two logs have the same entry at an index, they are the same up to it. Raft paper, figure 3.

use std::collections::BTreeMap;

use bytes::Bytes;

use crate::violation::{Verdict, require};

/// The entries of a log, by index, as its records.
pub(crate) type Log = BTreeMap<u64, Bytes>;

pub(crate) fn check(first: (u64, &Log), second: (u64, &Log)) -> Verdict {
    let common: Vec<(u64, bool)> = first
        .1
        .iter()
        .filter_map(|(index, record)| Some((*index, second.1.get(index)? == record)))
        .collect();
    let Some(last_same) = common.iter().rposition(|(_, same)| *same) else {
        return Ok(());
    };
    let differs = common[..last_same].iter().find(|(_, same)| !same);
    require(differs.is_none(), "log matching", || {
        format!(
            "members {} and {} have the same entry {} and different ones before, at {differs:?}",
            first.0, second.0, common[last_same].0
        )
    })
}
