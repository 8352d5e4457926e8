use kv_backend::faulty::FaultyHome;

use super::*;

fn filled(home: &FaultyHome) -> (Arc<dyn Backend>, Rows) {
    let backend = home.open().unwrap();
    let mut rows = open(&backend, SMALL);
    append(&mut rows, 2..50, 60);
    checkpoint(&mut rows, &*backend);
    (backend, rows)
}

fn error_of_open(backend: &Arc<dyn Backend>) -> String {
    Rows::open(Arc::clone(backend), SMALL, &mut |_| {})
        .err()
        .map(|error| error.to_string())
        .unwrap()
}

#[test]
fn a_damaged_keys_or_info_part_refuses_to_open_and_names_the_block() {
    for prefix in [&b"b/k/"[..], b"b/i/"] {
        for seed in 0..50 {
            let home = FaultyHome::new(seed);
            let (backend, _) = filled(&home);
            let name = home.flip_bit(prefix).unwrap();
            let error = error_of_open(&backend);
            let id = names::parse(&name).unwrap();
            assert!(error.contains(&id.to_string()), "{error}");
        }
    }
}

#[test]
fn a_damaged_values_part_is_an_error_of_its_rows_alone() {
    for seed in 0..50 {
        let home = FaultyHome::new(seed);
        let (backend, rows) = filled(&home);
        let expected = content(rows.view());
        let id = names::parse(&home.flip_bit(b"b/v/").unwrap()).unwrap();
        let rows = open(&backend, SMALL);
        let (_, info) = rows.view().blocks.floor(&id.first).unwrap();
        for (revision, row) in expected {
            let found = rows.view().get(revision).map(|row| row.map(|row| (*row).clone()));
            if info.block.find(revision).is_none() {
                assert_eq!(found.unwrap(), Some(row));
                continue;
            }
            let error = found.unwrap_err().to_string();
            assert!(
                error.contains("damaged") && error.contains(&format!("values part of {id}")),
                "{error}"
            );
            assert!(rows.view().value(revision).is_err() && rows.view().values(&[revision]).is_err());
        }
        let all: Vec<_> = rows.view().iter(at(0), None, Caching::Fill).collect();
        assert!(all.last().unwrap().is_err(), "an iteration ends with the error");
    }
}

#[test]
fn a_missing_part_is_damage() {
    for prefix in ["b/k/", "b/v/"] {
        let (backend, _) = filled(&FaultyHome::new(1));
        let (name, _) = stored(&*backend)
            .into_iter()
            .find(|(name, _)| name.starts_with(prefix.as_bytes()))
            .unwrap();
        let mut batch = Batch::new();
        batch.delete(name);
        backend.write(batch).unwrap();
        let error = match prefix {
            "b/k/" => error_of_open(&backend),
            _ => open(&backend, SMALL).view().get(at(2)).unwrap_err().to_string(),
        };
        assert!(
            error.contains("is missing") && error.contains("from row 2/0"),
            "{error}"
        );
    }
}

#[test]
fn a_foreign_pair_among_the_blocks_is_damage() {
    let (backend, _) = filled(&FaultyHome::new(1));
    let mut batch = Batch::new();
    batch.put(&b"b/k/what"[..], &b"x"[..]);
    backend.write(batch).unwrap();
    assert!(error_of_open(&backend).contains("under the key"));
}

#[test]
fn an_unreadable_backend_is_no_damage_of_rows() {
    let home = FaultyHome::new(1);
    let (backend, _) = filled(&home);
    let rows = open(&backend, SMALL);
    let first = rows.view().blocks.first().unwrap().1.block.id;
    home.make_unreadable(names::name(crate::block::PartKind::Values, first));
    assert!(matches!(rows.view().get(at(2)), Err(ReadError::Backend { .. })));
}

#[test]
fn a_full_disk_loses_nothing_and_leaves_nothing_behind() {
    let home = FaultyHome::new(3);
    let (backend, mut rows) = filled(&home);
    (10..40).for_each(|main| assert!(rows.mark_dead(at(main))));
    append(&mut rows, 50..200, 60);
    let mut next = 200;
    for _ in 0..3 {
        home.set_full(true);
        let mut plan = rows.begin_checkpoint();
        assert!(write_out(&mut plan, &*backend).unwrap_err().is_disk_full());
        drop(plan);
        append(&mut rows, next..next + 5, 60);
        next += 5;
        home.set_full(false);
        backend.reopen().unwrap();
    }
    let expected = content(rows.view());
    settle(&mut rows, &*backend);
    assert_eq!(content(rows.view()), expected);
    assert_eq!(stored(&*backend).len(), 3 * blocks(&rows).len());
    assert_eq!(content(open(&backend, SMALL).view()), expected);
}
