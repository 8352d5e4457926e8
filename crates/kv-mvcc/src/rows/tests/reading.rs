use super::*;

#[test]
fn rows_are_read_from_memory_and_from_blocks_alike() {
    let backend = memory();
    let mut rows = open(&backend, SMALL);
    append(&mut rows, 2..100, 40);
    let before = content(rows.view());
    let plan = rows.begin_checkpoint();
    assert_eq!(content(rows.view()), before);
    drop(plan);
    checkpoint(&mut rows, &*backend);
    assert_eq!(rows.view().recent_bytes(), 0);
    assert_eq!(content(rows.view()), before);
    append(&mut rows, 100..130, 40);
    assert_eq!(content(rows.view()).len(), 128);
    assert_eq!(
        content(open(&backend, SMALL).view()),
        before,
        "what came later is not durable"
    );
}

#[test]
fn a_view_keeps_the_rows_of_its_moment() {
    let backend = memory();
    let mut rows = open(&backend, SMALL);
    append(&mut rows, 2..50, 40);
    checkpoint(&mut rows, &*backend);
    append(&mut rows, 50..90, 40);
    let view = rows.view().clone();
    let before = content(&view);
    for main in 2..90 {
        assert!(main == 20 || main == 70 || rows.mark_dead(at(main)));
    }
    settle(&mut rows, &*backend);
    assert_eq!(content(rows.view()).len(), 2);
    assert_eq!(content(&view), before);
    assert!(view.get(at(33)).unwrap().is_some());
    assert!(rows.view().get(at(33)).unwrap().is_none());
    assert!(
        stored(&*backend).len() > 3 * rows.view().blocks.len(),
        "what the view reads is still there"
    );

    drop(view);
    settle(&mut rows, &*backend);
    assert_eq!(stored(&*backend).len(), 3 * rows.view().blocks.len());
}

#[test]
fn rows_that_die_during_a_checkpoint_stay_dead() {
    let backend = memory();
    let mut rows = open(&backend, SMALL);
    append(&mut rows, 2..40, 40);
    checkpoint(&mut rows, &*backend);
    (2..40)
        .step_by(2)
        .chain((3..20).step_by(2))
        .for_each(|main| assert!(rows.mark_dead(at(main))));
    append(&mut rows, 40..60, 40);

    let mut plan = rows.begin_checkpoint();
    let expected = content(rows.view());
    let moved = [21, 35, 45, 59];
    moved.iter().for_each(|main| assert!(rows.mark_dead(at(*main))));
    write_out(&mut plan, &*backend).unwrap();
    drop(rows.finish_checkpoint(plan));
    assert_eq!(content(open(&backend, SMALL).view()), expected);
    let expected: Content = expected
        .into_iter()
        .filter(|(revision, _)| !moved.contains(&revision.main.get()))
        .collect();
    assert_eq!(content(rows.view()), expected);

    assert!(rows.wants_checkpoint(), "the deaths are not durable yet");
    settle(&mut rows, &*backend);
    assert_eq!(content(open(&backend, SMALL).view()), expected);
}

#[test]
fn the_cache_keeps_within_its_bound_and_holds_what_was_just_written() {
    let backend = memory();
    let options = RowsOptions {
        cache_bytes: 256 << 10,
        slice_bytes: 64 << 10,
        block_bytes: 1 << 10,
    };
    let mut rows = open(&backend, options);
    append(&mut rows, 2..60, 100);
    checkpoint(&mut rows, &*backend);
    assert!(rows.view().source.cached_bytes() > 0);
    append(&mut rows, 60..10_000, 100);
    checkpoint(&mut rows, &*backend);
    for main in 2..10_000 {
        rows.view().get(at(main)).unwrap();
        assert!(rows.view().source.cached_bytes() <= options.cache_bytes);
    }
    assert!(rows.view().source.cached_bytes() > options.cache_bytes / 2);

    let rows = open(&backend, options);
    assert_eq!(content(rows.view()).len(), 9_998);
    assert_eq!(
        rows.view().source.cached_bytes(),
        0,
        "who passes the cache by leaves nothing in it"
    );
}

#[test]
fn memory_of_recent_rows_is_counted_until_they_are_stored() {
    let backend = memory();
    let mut rows = open(&backend, SMALL);
    append(&mut rows, 2..6, 1000);
    let bytes = rows.view().recent_bytes();
    assert!((4000..6000).contains(&bytes), "{bytes}");
    let mut plan = rows.begin_checkpoint();
    append(&mut rows, 6..7, 1000);
    assert!(
        rows.view().recent_bytes() > bytes,
        "rows count until the checkpoint is finished"
    );
    write_out(&mut plan, &*backend).unwrap();
    drop(rows.finish_checkpoint(plan));
    assert!((1000..1500).contains(&rows.view().recent_bytes()));
    rows.mark_dead(at(6));
    assert_eq!(rows.view().recent_bytes(), 0);
}

#[test]
fn chunks_carry_all_live_rows_and_are_the_same_each_time() {
    let backend = memory();
    let mut rows = open(&backend, SMALL);
    append(&mut rows, 2..60, 100);
    checkpoint(&mut rows, &*backend);
    (2..40)
        .step_by(3)
        .for_each(|main| assert!(rows.mark_dead(at(main))));
    append(&mut rows, 60..300, 1000);
    let view = rows.view().clone();
    settle(&mut rows, &*backend);

    let starts = view.chunk_starts();
    assert_eq!(starts, view.chunk_starts());
    let mut taken = Content::new();
    for (number, from) in starts.iter().enumerate() {
        let to = starts.get(number + 1).copied();
        let chunk = view.chunk(*from, to).unwrap();
        assert!(chunk.len() < 70_000);
        assert_eq!(chunk, view.chunk(*from, to).unwrap());
        taken.extend(
            decode_chunk(&chunk)
                .unwrap()
                .into_iter()
                .map(|row| (row.revision, row)),
        );
    }
    assert_eq!(taken, content(&view));
    assert!(open(&memory(), SMALL).view().chunk_starts().is_empty());
}
