use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use kv_backend::{BackendHome, MemoryHome};
use kv_machine::{Command, Effects, LeaseEffect, Machine, Member, Outcome, Proposal};
use kv_mvcc::{Change, KeyValue, Op, PutValue, Row, StoreOptions};
use kv_raft::{CommittedEntry, EntryPayload, RaftMember};
use kv_types::{KeyRange, LeaseId, LogId, MemberId, Revision};

use crate::invariants::{leases, membership, state_machine_safety};
use crate::violation::{Verdict, Violation};

/// What truly happened: each committed entry, as the first member to apply it had it, applied once and in order to a
/// state machine that never crashes. Everything that members and clients see is compared with it.
pub(crate) struct Truth {
    machine: Machine,
    /// The entries, by index.
    pub(crate) entries: BTreeMap<u64, Entry>,
    /// All versions of each key, oldest first; tombstones too.
    keys: BTreeMap<Bytes, Vec<Arc<Row>>>,
    /// The changes of each revision.
    changes: BTreeMap<Revision, Vec<Change>>,
    /// What became of writes, by their tokens.
    outcomes: HashMap<u64, Outcome>,
    /// The highest compaction.
    pub(crate) compacted: Revision,
    pub(crate) leases: BTreeMap<LeaseId, leases::Lease>,
    /// Hashes of the state, by revision and compaction.
    pub(crate) hashes: BTreeMap<(Revision, Revision), u32>,
    /// The highest revision that a client was told.
    pub(crate) told: Revision,
}

/// A committed entry.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) log_id: LogId,
    pub(crate) payload: EntryPayload,
    /// The bytes that the log has for it.
    pub(crate) record: Option<Bytes>,
    /// The revision after it.
    pub(crate) revision: Revision,
}

impl Truth {
    pub(crate) fn new() -> Result<Self, Violation> {
        let broken = |error: &dyn std::fmt::Display| Violation {
            invariant: "the reference works",
            detail: error.to_string(),
        };
        let backend = MemoryHome::default().open().map_err(|error| broken(&error))?;
        let machine = Machine::open(backend, StoreOptions::default()).map_err(|error| broken(&error))?;
        Ok(Self {
            machine,
            entries: BTreeMap::new(),
            keys: BTreeMap::new(),
            changes: BTreeMap::new(),
            outcomes: HashMap::new(),
            compacted: Revision::ZERO,
            leases: BTreeMap::new(),
            hashes: BTreeMap::new(),
            told: Revision::INITIAL,
        })
    }

    /// The members, ascending by ID.
    pub(crate) fn members(&self) -> Vec<Member> {
        self.machine.members()
    }

    /// Who was a member once.
    pub(crate) fn removed_members(&self) -> &BTreeSet<MemberId> {
        self.machine.removed_members()
    }

    pub(crate) fn last_index(&self) -> u64 {
        self.entries.last_key_value().map_or(0, |(index, _)| *index)
    }

    pub(crate) fn revision(&self) -> Revision {
        self.machine.view().revision()
    }

    /// The revision after an entry.
    pub(crate) fn revision_after(&self, index: u64) -> Option<Revision> {
        self.entries.get(&index).map(|entry| entry.revision)
    }

    /// A member applies an entry.
    pub(crate) fn observe(
        &mut self,
        member: u64,
        entry: &CommittedEntry,
        record: Option<Bytes>,
        now: Duration,
    ) -> Verdict {
        let index = entry.log_id.index.get();
        if let Some(known) = self.entries.get(&index) {
            return state_machine_safety::same_entry(member, known, entry, record.as_ref());
        }
        state_machine_safety::no_gap(member, self.entries.last_key_value().map(|last| *last.0), index)?;
        state_machine_safety::leaders_in_order(self.entries.get(&(index.saturating_sub(1))), entry)?;
        let verdict = self.apply(entry, now);
        let entry = Entry {
            log_id: entry.log_id,
            payload: entry.payload.clone(),
            record,
            revision: self.revision(),
        };
        self.entries.insert(index, entry);
        verdict
    }

    fn apply(&mut self, entry: &CommittedEntry, now: Duration) -> Verdict {
        match &entry.payload {
            EntryPayload::Blank => {
                self.machine.apply_blank(entry.log_id);
                Ok(())
            }
            EntryPayload::Membership { encoded, members } => {
                let before = self.members();
                let members = members.iter().cloned().map(member).collect();
                self.machine
                    .apply_membership(entry.log_id, encoded.clone(), members);
                membership::one_at_a_time(&before, self)
            }
            EntryPayload::Command(payload) => self.apply_command(entry.log_id, payload, now),
        }
    }

    fn apply_command(&mut self, log_id: LogId, payload: &Bytes, now: Duration) -> Verdict {
        let broken = |error: &dyn std::fmt::Display| Violation {
            invariant: "committed entries can be applied",
            detail: format!("{log_id}: {error}"),
        };
        let mut effects = Effects::default();
        self.machine
            .apply(log_id, payload, &mut effects)
            .map_err(|error| broken(&error))?;
        let proposals = Proposal::decode_all(payload).map_err(|error| broken(&error))?;
        let mut expired = Vec::new();
        for (proposal, (_, outcome)) in proposals.iter().zip(effects.outcomes) {
            match (&proposal.command, &outcome) {
                (Command::Compact(revision), Outcome::Compact(Ok(()))) => {
                    self.compacted = self.compacted.max(*revision);
                }
                (Command::LeaseExpire { id, .. }, Outcome::LeaseRevoke(Ok(()))) => {
                    expired.push(*id);
                }
                _ => {}
            }
            if let Some(token) = token_of(&proposal.command) {
                self.outcomes.insert(token, outcome);
            }
        }
        for change in self.machine.take_changes() {
            let row = &change.row;
            self.keys
                .entry(row.key.clone())
                .or_default()
                .push(Arc::clone(row));
            self.changes.entry(row.revision.main).or_default().push(change);
        }
        self.apply_leases(&effects.leases, &expired, now)
    }

    fn apply_leases(&mut self, effects: &[LeaseEffect], expired: &[LeaseId], now: Duration) -> Verdict {
        let mut verdict = Ok(());
        for effect in effects {
            match effect {
                LeaseEffect::Granted(id, _) => {
                    self.leases.insert(*id, leases::Lease::default());
                }
                LeaseEffect::Revoked(id) => {
                    let lease = self.leases.entry(*id).or_default();
                    let by_time = expired.contains(id);
                    verdict = verdict.and(lease.ended(*id, now, by_time));
                }
            }
        }
        verdict
    }

    /// What became of a write, if it was applied.
    pub(crate) fn outcome(&self, token: u64) -> Option<&Outcome> {
        self.outcomes.get(&token)
    }

    /// The changes of the revisions `from` to `to` whose keys are in `range`, in order.
    pub(crate) fn changes(&self, range: &KeyRange, from: Revision, to: Revision) -> Vec<Change> {
        if to < from {
            return Vec::new();
        }
        let changes = self.changes.range(from..=to).flat_map(|(_, changes)| changes);
        changes
            .filter(|change| range.contains(&change.row.key))
            .cloned()
            .collect()
    }

    /// What a key was before a revision, if it existed.
    pub(crate) fn before(&self, key: &Bytes, revision: Revision) -> Option<KeyValue> {
        self.at(key, revision.prev())
    }

    /// What a key is at a revision, if it exists.
    pub(crate) fn at(&self, key: &Bytes, revision: Revision) -> Option<KeyValue> {
        live_at(self.keys.get(key)?, revision)
    }

    /// The keys of a range as they are at a revision.
    pub(crate) fn range(&self, range: &KeyRange, revision: Revision) -> Vec<KeyValue> {
        let keys = self.keys.range::<[u8], _>(range.bounds());
        keys.filter_map(|(_, versions)| live_at(versions, revision))
            .collect()
    }
}

fn live_at(versions: &[Arc<Row>], revision: Revision) -> Option<KeyValue> {
    let upto = versions.partition_point(|row| row.revision.main <= revision);
    let row = versions.get(upto.checked_sub(1)?)?;
    (!row.tombstone).then(|| row.key_value())
}

/// The token of a write, with which its value begins.
fn token_of(command: &Command) -> Option<u64> {
    let put = match command {
        Command::Put(put) => put,
        Command::Txn(txn) => txn.success.iter().find_map(|op| match op {
            Op::Put(put) => Some(put),
            _ => None,
        })?,
        _ => return None,
    };
    match &put.value {
        PutValue::New(value) => Some(u64::from_be_bytes(*value.first_chunk()?)),
        PutValue::Keep => None,
    }
}

fn member(member: RaftMember) -> kv_machine::RaftMember {
    kv_machine::RaftMember {
        id: member.id,
        peer_urls: member.peer_urls,
        learner: member.learner,
    }
}
