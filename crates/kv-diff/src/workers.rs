use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::Result;
use tokio::sync::Mutex;
use tokio::task::JoinSet;

use crate::generate::Generator;
use crate::pair::{Pair, Programs};
use crate::report;
use crate::shrink::shrink;

/// Steps of one script.
const SCRIPT_STEPS: usize = 400;
/// Scripts after which servers are made anew, so that their data stays small.
const SCRIPTS_PER_PAIR: usize = 60;
/// After so many differences a run ends: they repeat.
const DIFFERENCES_MAX: u64 = 10;

/// What is run.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub(crate) programs: Programs,
    pub(crate) ops: u64,
    pub(crate) seed: u64,
    pub(crate) pairs: usize,
}

/// What came of it.
#[derive(Debug, Default)]
pub(crate) struct Totals {
    next_script: AtomicU64,
    pub(crate) ops: AtomicU64,
    pub(crate) differences: AtomicU64,
    /// Held by who prints.
    printing: Mutex<()>,
}

/// Runs scripts on several pairs of servers at a time until there were as many operations as asked for.
pub(crate) async fn run(plan: Plan) -> Result<Arc<Totals>> {
    let totals = Arc::new(Totals::default());
    let mut workers = JoinSet::new();
    for _ in 0..plan.pairs {
        workers.spawn(work(plan.clone(), Arc::clone(&totals)));
    }
    while let Some(done) = workers.join_next().await {
        done??;
    }
    Ok(totals)
}

async fn work(plan: Plan, totals: Arc<Totals>) -> Result<()> {
    loop {
        let mut pair = Pair::start(&plan.programs).await?;
        for _ in 0..SCRIPTS_PER_PAIR {
            let begun = totals.next_script.fetch_add(1, Ordering::Relaxed);
            let is_over = begun * SCRIPT_STEPS as u64 >= plan.ops
                || totals.differences.load(Ordering::Relaxed) >= DIFFERENCES_MAX;
            if is_over {
                return Ok(());
            }
            let seed = plan.seed.wrapping_mul(0x9e37_79b9).wrapping_add(begun);
            let script = Generator::new(seed).script(SCRIPT_STEPS);
            let result = pair.run(&script).await;
            totals.ops.fetch_add(SCRIPT_STEPS as u64, Ordering::Relaxed);
            if let Err(difference) = result {
                totals.differences.fetch_add(1, Ordering::Relaxed);
                println!("found in script {begun}, before it is shrunk:");
                report::show(&script[difference.step..=difference.step], &difference);
                let shrunk = shrink(&plan.programs, script.clone()).await?;
                let _printing = totals.printing.lock().await;
                report::print(begun, &script, &difference, shrunk);
                break;
            }
        }
    }
}
