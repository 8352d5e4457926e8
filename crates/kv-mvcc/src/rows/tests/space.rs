use kv_backend::faulty::FaultyHome;

use super::*;

/// What a test of space does: keys that are overwritten in turn or at random, the old rows dying some time later.
fn overwrite(options: RowsOptions, keys: usize, writes: i64, value_bytes: usize) -> (u64, u64, u64) {
    let backend = memory();
    let mut rows = open(&backend, options);
    let mut newest = vec![None; keys];
    let (mut written, mut peak) = (0, 0);
    for main in 2..writes {
        let chance = noise(main, 8)
            .iter()
            .fold(0, |chance, byte| chance * 256 + usize::from(*byte));
        let mut row = row(at(main), 0);
        row.value = noise(main, value_bytes);
        rows.append(Arc::new(row));
        if let Some(old) = newest[chance % keys].replace(at(main)) {
            assert!(rows.mark_dead(old));
        }
        if rows.view().recent_bytes() >= options.slice_bytes as u64 {
            let mut plan = rows.begin_checkpoint();
            loop {
                let mut batch = Batch::new();
                let fill = plan.fill(&mut batch).unwrap();
                written += batch.bytes() as u64;
                backend.write(batch).unwrap();
                if fill == Fill::Last {
                    break;
                }
            }
            drop(rows.finish_checkpoint(plan));
            peak = peak.max(backend.size_on_disk().unwrap());
        }
    }
    (
        rows.view().blocks.iter().map(|(_, info)| info.live_bytes()).sum(),
        peak,
        written,
    )
}

#[test]
fn overwriting_keeps_space_and_writing_within_bounds() {
    let options = RowsOptions {
        cache_bytes: 1 << 20,
        slice_bytes: 64 << 10,
        block_bytes: 8 << 10,
    };
    let writes = 100_000;
    let (live, peak, written) = overwrite(options, 10_000, writes, 100);
    let payload = u64::try_from(writes).unwrap() * 121;
    assert!(peak * 10 < live * 15, "{peak} bytes at most for {live} live ones");
    assert!(
        written * 10 < payload * 30,
        "{written} bytes written for {payload}"
    );
}

#[test]
fn dead_blocks_leave_without_being_read() {
    let backend = memory();
    let mut rows = open(&backend, SMALL);
    append(&mut rows, 2..500, 60);
    checkpoint(&mut rows, &*backend);
    let names: Vec<_> = stored(&*backend)
        .into_iter()
        .filter(|(name, _)| name.starts_with(b"b/v/"))
        .collect();
    let mut batch = Batch::new();
    names
        .into_iter()
        .for_each(|(name, _)| batch.put(name, &b"not readable"[..]));
    backend.write(batch).unwrap();

    let mut rows = open(&backend, SMALL);
    (2..500).for_each(|main| assert!(rows.mark_dead(at(main))));
    assert_eq!(
        rows.view().sizes(),
        RowsSizes {
            live_bytes: 0,
            blocks: 0,
            recent_bytes: 0
        }
    );
    settle(&mut rows, &*backend);
    assert!(stored(&*backend).is_empty());
}

#[test]
fn small_blocks_are_joined() {
    let backend = memory();
    let mut rows = open(&backend, SMALL);
    for main in 2..400 {
        append(&mut rows, main..main + 1, 10);
        checkpoint(&mut rows, &*backend);
    }
    let small = blocks(&rows).len();
    assert!(small < 60, "{small} blocks");
    assert_eq!(content(rows.view()).len(), 398);
}

#[test]
fn a_large_checkpoint_goes_out_in_slices_and_counts_at_the_end() {
    let backend = memory();
    let mut rows = open(&backend, SMALL);
    for main in 2..200 {
        let mut row = row(at(main), 0);
        row.value = noise(main, 100);
        rows.append(Arc::new(row));
    }
    let mut plan = rows.begin_checkpoint();
    let mut slices = 0;
    loop {
        let mut batch = Batch::new();
        let fill = plan.fill(&mut batch).unwrap();
        slices += 1;
        if fill == Fill::Last {
            backend.write(batch).unwrap();
            break;
        }
        assert!(batch.bytes() < SMALL.slice_bytes + 2 * SMALL.block_bytes);
        backend.write(batch).unwrap();
        assert!(content(open(&backend, SMALL).view()).is_empty());
    }
    assert!(slices > 5, "{slices} slices");
    let expected = content(rows.view());
    assert_eq!(content(open(&backend, SMALL).view()), expected);
    drop(rows.finish_checkpoint(plan));
    assert!(!rows.wants_checkpoint());
}

#[test]
fn leftovers_of_a_crash_are_removed() {
    let backend = memory();
    let mut rows = open(&backend, SMALL);
    append(&mut rows, 2..10, 10);
    checkpoint(&mut rows, &*backend);
    append(&mut rows, 10..400, 100);
    let mut batch = Batch::new();
    assert_eq!(rows.begin_checkpoint().fill(&mut batch).unwrap(), Fill::Partial);
    backend.write(batch).unwrap();

    let mut rows = open(&backend, SMALL);
    assert_eq!(content(rows.view()).len(), 8);
    append(&mut rows, 10..400, 100);
    settle(&mut rows, &*backend);
    assert_eq!(stored(&*backend).len(), 3 * blocks(&rows).len());
    assert_eq!(content(open(&backend, SMALL).view()), content(rows.view()));
}

/// The flush of a last batch that replaces blocks reports a failure and is durable all the same; the next
/// checkpoint has better blocks to replace.
#[test]
fn a_block_whose_replacement_is_in_doubt_is_kept() {
    for seed in 0..20 {
        let home = FaultyHome::new(seed);
        let backend = home.open().unwrap();
        let mut rows = open(&backend, SMALL);
        append(&mut rows, 2..600, 60);
        settle(&mut rows, &*backend);
        (2..600)
            .filter(|main| main % 3 != 0)
            .for_each(|main| assert!(rows.mark_dead(at(main))));
        checkpoint(&mut rows, &*backend);

        let mut plan = rows.begin_checkpoint();
        while !plan.is_done() {
            let mut batch = Batch::new();
            let _ = plan.fill(&mut batch).unwrap();
            backend.write(batch).unwrap();
        }
        home.fail_flush(1);
        assert!(backend.flush().is_err());
        let in_doubt = std::mem::take(&mut plan.replaced);
        drop(plan);
        backend.reopen().unwrap();

        let better = in_doubt.last().unwrap().last().main.get() + 50;
        let also_dead = (better..600).filter(|main| main % 6 == 0);
        also_dead.for_each(|main| assert!(rows.mark_dead(at(main))));
        let mut plan = rows.begin_checkpoint();
        write_out(&mut plan, &*backend).unwrap();
        assert!(plan.replaced.iter().all(|block| !in_doubt.contains(block)));
        let expected = content(rows.view());
        assert_eq!(content(open(&backend, SMALL).view()), expected);
    }
}

#[test]
#[should_panic(expected = "the checkpoint that ends is the one that began last")]
fn a_checkpoint_that_was_overtaken_cannot_finish() {
    let mut rows = open(&memory(), SMALL);
    let plan = rows.begin_checkpoint();
    let _ = rows.begin_checkpoint();
    let _ = rows.finish_checkpoint(plan);
}
