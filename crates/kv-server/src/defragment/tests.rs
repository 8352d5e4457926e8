use std::sync::Arc;
use std::time::Duration;

use kv_backend::faulty::FaultyHome;
use kv_machine::{Command, Proposal};
use kv_mvcc::{PutLease, PutRequest, PutValue, RangeRequest, StoreOptions};
use kv_raft::{CommittedEntry, EntryPayload, StateMachine};
use kv_types::{KeyRange, LogId, LogIndex, MemberId, RequestId, Revision, Term};

use super::*;

/// Small, so that there are many blocks and flushes.
const OPTIONS: StoreOptions = StoreOptions {
    cache_bytes: 16 << 10,
    slice_bytes: 1 << 10,
    block_bytes: 512,
};

fn open(home: &FaultyHome) -> Replica {
    let home = Arc::new(home.clone());
    Replica::open(home, OPTIONS, Duration::from_secs(600)).unwrap()
}

fn entry(index: u64, command: Command) -> CommittedEntry {
    let id = RequestId::new(index);
    let mut payload = Vec::new();
    let caller = None;
    Proposal { id, caller, command }.encode(&mut payload);
    CommittedEntry {
        log_id: LogId {
            term: Term::new(1),
            leader: MemberId::new(1),
            index: LogIndex::new(index),
        },
        payload: EntryPayload::Command(payload.into()),
    }
}

/// The log: 600 puts of 60 keys, and some compactions among them.
fn log() -> Vec<CommittedEntry> {
    let put = |index: u64| PutRequest {
        key: format!("key-{}", index * 7 % 60).into(),
        value: PutValue::New(format!("{index}").repeat(20).into()),
        lease: PutLease::Set(None),
        prev_kv: false,
    };
    let command = |index: u64| match index % 100 {
        99 => Command::Compact(Revision::new(i64::try_from(index / 2).unwrap())),
        _ => Command::Put(put(index)),
    };
    (1..=600).map(|index| entry(index, command(index))).collect()
}

/// Applies what is in the log and not in the replica.
fn catch_up(replica: &Replica) {
    let applied = replica.applied_index();
    let missing = log().into_iter().filter(|entry| entry.log_id.index > applied);
    replica.apply(missing.collect());
}

fn hash(replica: &Replica) -> u32 {
    replica.view().hash_kv(None).unwrap().hash
}

/// A replica that has applied most of the log, a part of it since its last checkpoint, and the home it is in.
fn prepared(seed: u64) -> (FaultyHome, Replica) {
    let home = FaultyHome::new(seed);
    let replica = open(&home);
    let log = log();
    for part in log[..550].chunks(110) {
        replica.apply(part.to_vec());
        drop(maintenance::checkpoint(&replica).unwrap());
    }
    replica.apply(log[550..580].to_vec());
    (home, replica)
}

fn expected() -> u32 {
    let replica = open(&FaultyHome::new(0));
    catch_up(&replica);
    hash(&replica)
}

#[test]
fn the_store_is_the_same_in_its_new_place_and_goes_on_there() {
    let (home, replica) = prepared(1);
    let old = replica.view();
    let (old_hash, keys) = (hash(&replica), RangeRequest::new(KeyRange::all()));
    let before = replica.machine().backend();
    defragment(&replica).unwrap();
    assert!(!Arc::ptr_eq(&before, &replica.machine().backend()));
    assert_eq!(hash(&replica), old_hash);
    // Who reads an older view reads on.
    assert_eq!(old.range(&keys).unwrap(), replica.view().range(&keys).unwrap());
    catch_up(&replica);
    drop(maintenance::checkpoint(&replica).unwrap());
    assert_eq!(hash(&replica), expected());
    drop(replica);
    home.crash();
    home.restart();
    let reopened = open(&home);
    assert_eq!(reopened.applied_index(), LogIndex::new(600));
    assert_eq!(hash(&reopened), expected());
}

#[test]
fn nothing_holds_on_to_the_old_place_after_it_was_left() {
    let (_home, replica) = prepared(2);
    let before = Arc::downgrade(&replica.machine().backend());
    defragment(&replica).unwrap();
    // Watchers take over what they were shown.
    drop(replica.watches.hub());
    assert_eq!(before.strong_count(), 0);
}

/// etcd lost data when a defragmentation did not come to its end (etcd-io/etcd issue 14685).
#[test]
fn a_crash_at_any_moment_of_a_defragmentation_loses_nothing() {
    let mut crashes = 0;
    for flush in 1.. {
        let (home, replica) = prepared(flush);
        home.crash_at_flush(flush);
        let result = defragment(&replica);
        if !home.is_crashed() {
            result.unwrap();
            break;
        }
        crashes += 1;
        result.unwrap_err();
        drop(replica);
        home.restart();
        let replica = open(&home);
        // What a checkpoint said to be durable is what the log may have been purged up to.
        assert!(replica.applied_index() >= LogIndex::new(550), "flush {flush}");
        catch_up(&replica);
        assert_eq!(hash(&replica), expected(), "flush {flush}");
        defragment(&replica).unwrap();
        assert_eq!(hash(&replica), expected(), "flush {flush}");
    }
    assert!(crashes > 8, "{crashes} moments");
}

#[test]
fn a_flush_that_fails_leaves_the_store_where_it_is_and_in_use() {
    let mut failures = 0;
    for flush in 1.. {
        let (home, replica) = prepared(flush);
        let flushes = home.flushes();
        home.fail_flush(flush);
        if defragment(&replica).is_ok() && home.flushes() < flushes + flush {
            break;
        }
        failures += 1;
        catch_up(&replica);
        drop(maintenance::checkpoint(&replica).unwrap());
        drop(replica);
        home.crash();
        home.restart();
        let reopened = open(&home);
        assert_eq!(reopened.applied_index(), LogIndex::new(600), "flush {flush}");
        assert_eq!(hash(&reopened), expected(), "flush {flush}");
    }
    assert!(failures > 8, "{failures} moments");
}
