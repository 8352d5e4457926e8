//! Random histories with crashes, against plain maps.

use kv_backend::faulty::FaultyHome;
use proptest::prelude::*;
use proptest::sample::Index;

use super::*;

#[derive(Clone, Debug)]
enum Step {
    /// Appends so many rows of such values; each the given steps after the last one.
    Append {
        count: u8,
        main_step: i64,
        sub_step: u32,
        value_bytes: u16,
    },
    /// Marks dead so many rows from one on, or (if asked twice) rows that are dead already.
    MarkDead {
        from: Index,
        count: u8,
    },
    /// Begins a checkpoint, also if one is under way: that one is then given up.
    Begin,
    /// Fills, writes and flushes one batch of the checkpoint, and finishes it if that was the last one.
    Fill,
    /// A whole checkpoint.
    Checkpoint,
    /// Takes a view and keeps it.
    Pin,
    /// Reads a view that was kept, which must not have changed, and lets it go.
    Unpin(Index),
    /// Power loss, within the next flush if there is a batch to write.
    Crash,
    /// The next flush fails; the process goes on.
    FailFlush,
    Read {
        from: Index,
        to: Index,
    },
}

fn any_step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => (1..20u8, 0..3i64, 0..3u32, prop_oneof![0..60u16, 500..3000u16]).prop_map(
            |(count, main_step, sub_step, value_bytes)| Step::Append { count, main_step, sub_step, value_bytes },
        ),
        6 => (any::<Index>(), 1..30u8).prop_map(|(from, count)| Step::MarkDead { from, count }),
        2 => Just(Step::Begin),
        6 => Just(Step::Fill),
        3 => Just(Step::Checkpoint),
        1 => Just(Step::Pin),
        1 => any::<Index>().prop_map(Step::Unpin),
        1 => Just(Step::Crash),
        1 => Just(Step::FailFlush),
        3 => (any::<Index>(), any::<Index>()).prop_map(|(from, to)| Step::Read { from, to }),
    ]
}

struct World {
    home: FaultyHome,
    backend: Arc<dyn Backend>,
    rows: Rows,
    content: Content,
    last: RowRevision,
    /// What a crash may leave: more than one if it is not known whether the last flush has come through.
    durable: Vec<Content>,
    plan: Option<(CheckpointPlan, Content)>,
    pinned: Vec<(RowsView, Content)>,
}

impl World {
    fn new(seed: u64) -> Self {
        let home = FaultyHome::new(seed);
        let backend = home.open().unwrap();
        let rows = open(&backend, SMALL);
        Self {
            home,
            backend,
            rows,
            content: Content::new(),
            last: at(1),
            durable: vec![Content::new()],
            plan: None,
            pinned: Vec::new(),
        }
    }

    fn run(&mut self, step: Step) {
        match step {
            Step::Append {
                count,
                main_step,
                sub_step,
                value_bytes,
            } => {
                for _ in 0..count {
                    self.append(main_step, sub_step, usize::from(value_bytes));
                }
            }
            Step::MarkDead { from, count } => self.mark_dead(from, usize::from(count)),
            Step::Begin => self.begin(),
            Step::Fill => {
                self.fill();
            }
            Step::Checkpoint => {
                self.begin();
                while self.plan.is_some() && self.fill() {}
            }
            Step::Pin => self.pinned.push((self.rows.view().clone(), self.content.clone())),
            Step::Unpin(which) => self.unpin(which),
            Step::Crash => self.crash(),
            Step::FailFlush => self.home.fail_flush(1),
            Step::Read { from, to } => self.read(from, to),
        }
    }

    fn append(&mut self, main_step: i64, sub_step: u32, value_bytes: usize) {
        self.last = match main_step {
            0 => RowRevision::new(self.last.main, self.last.sub + 1 + sub_step),
            step => RowRevision::new(Revision::new(self.last.main.get() + step), sub_step),
        };
        let row = row(self.last, value_bytes);
        self.content.insert(self.last, row.clone());
        self.rows.append(Arc::new(row));
    }

    fn mark_dead(&mut self, from: Index, count: usize) {
        let live: Vec<_> = self.content.keys().copied().collect();
        if live.is_empty() {
            return;
        }
        let from = from.index(live.len());
        for revision in live.into_iter().skip(from).take(count) {
            assert!(self.rows.mark_dead(revision));
            assert!(!self.rows.mark_dead(revision), "a row dies once");
            self.content.remove(&revision);
        }
    }

    fn begin(&mut self) {
        self.plan = None;
        self.plan = Some((self.rows.begin_checkpoint(), self.content.clone()));
    }

    /// Whether the checkpoint under way can go on.
    fn fill(&mut self) -> bool {
        let Some((plan, content)) = &mut self.plan else {
            return false;
        };
        let mut batch = Batch::new();
        let fill = plan.fill(&mut batch).unwrap();
        let flushed = self.backend.write(batch).and_then(|()| self.backend.flush());
        if flushed.is_err() {
            if fill == Fill::Last {
                self.durable.push(content.clone());
            }
            self.plan = None;
            self.backend.reopen().unwrap();
            return false;
        }
        if fill == Fill::Last
            && let Some((plan, content)) = self.plan.take()
        {
            self.durable = vec![content];
            drop(self.rows.finish_checkpoint(plan));
        }
        true
    }

    fn crash(&mut self) {
        self.home.crash_at_flush(1);
        if let Some((plan, content)) = &mut self.plan {
            let mut batch = Batch::new();
            let fill = plan.fill(&mut batch).unwrap();
            if self
                .backend
                .write(batch)
                .and_then(|()| self.backend.flush())
                .is_err()
                && fill == Fill::Last
            {
                self.durable.push(content.clone());
            }
        }
        self.home.crash();
        self.plan = None;
        self.pinned.clear();
        self.home.restart();
        self.backend = self.home.open().unwrap();
        let mut metas = Vec::new();
        self.rows = Rows::open(Arc::clone(&self.backend), SMALL, &mut |meta| metas.push(meta)).unwrap();
        self.content = content(self.rows.view());
        assert_eq!(metas, self.content.values().map(Row::meta).collect::<Vec<_>>());
        assert!(
            self.durable.contains(&self.content),
            "a crash leaves a completed checkpoint and nothing else"
        );
        self.durable = vec![self.content.clone()];
        self.check_all();
    }

    fn unpin(&mut self, which: Index) {
        if !self.pinned.is_empty() {
            let (view, pinned) = self.pinned.swap_remove(which.index(self.pinned.len()));
            assert_eq!(content(&view), pinned);
        }
    }

    fn read(&self, from: Index, to: Index) {
        let bound = |index: Index| at(index.index(2 + usize::try_from(self.last.main.get()).unwrap()) as i64);
        let (from, to) = (bound(from), bound(to));
        let found = self.rows.view().iter(from, Some(to), Caching::Fill);
        let found: Vec<_> = found.map(|row| (*row.unwrap()).clone()).collect();
        let expected = self.content.range(from..to.max(from)).map(|(_, row)| row.clone());
        assert_eq!(found, expected.collect::<Vec<_>>());
        self.check_all();
    }

    fn check_all(&self) {
        let view = self.rows.view();
        assert_eq!(content(view), self.content);
        for main in 0..=self.last.main.get() + 1 {
            for sub in 0..4 {
                let revision = RowRevision::new(Revision::new(main), sub);
                let row = view.get(revision).unwrap();
                assert_eq!(row.as_deref(), self.content.get(&revision));
                assert_eq!(view.value(revision).unwrap(), row.map(|row| row.value.clone()));
            }
        }
        let mut revisions: Vec<_> = self.content.keys().copied().collect();
        revisions.insert(revisions.len() / 2, at(i64::MAX));
        let values = view.values(&revisions).unwrap();
        let expected = revisions
            .iter()
            .map(|revision| self.content.get(revision).map(|row| row.value.clone()));
        assert_eq!(values, expected.collect::<Vec<_>>());
    }

    /// With no reader left and no fault set, the backend holds the live rows and little else.
    fn check_space(&mut self) {
        settle(&mut self.rows, &*self.backend);
        assert_eq!(stored(&*self.backend).len(), 3 * self.rows.view().blocks.len());
        let blocks = blocks(&self.rows);
        let dead: u64 = blocks.iter().map(|info| info.dead_bytes()).sum();
        let live: u64 = blocks.iter().map(|info| info.live_bytes()).sum();
        assert!(
            dead <= live + 64 * blocks.len() as u64,
            "{dead} of {live} bytes are dead"
        );
        assert_eq!(content(open(&self.backend, SMALL).view()), self.content);
    }
}

proptest! {
    #[test]
    fn rows_are_those_of_the_model_through_crashes(
        seed: u64,
        steps in prop::collection::vec(any_step(), 1..60),
    ) {
        let mut world = World::new(seed);
        for step in steps {
            world.run(step);
        }
        world.check_all();
        world.crash();
        world.check_space();
    }
}
