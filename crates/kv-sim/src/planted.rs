//! Proof that the simulation can see: each planted bug must be found within so many seeds.

use std::time::Instant;

use kv_types::planted::Bug;

use crate::many;

/// A bug that is not found within so many seeds is not found.
const SEEDS_MAX: u64 = 600;

/// Looks for each bug. Whether all were found.
pub(crate) fn run() -> anyhow::Result<bool> {
    anyhow::ensure!(cfg!(feature = "planted"), "built without the feature `planted`");
    let mut found = 0;
    for bug in Bug::ALL {
        found += usize::from(look_for(bug)?);
    }
    println!("planted {} found {found}", Bug::ALL.len());
    Ok(found == Bug::ALL.len())
}

fn look_for(bug: Bug) -> anyhow::Result<bool> {
    let began = Instant::now();
    let mut tried = 0;
    let mut found = None;
    many::each(Some(bug), 1, SEEDS_MAX, |report| {
        tried += 1;
        let seed = report.seed;
        found = report.violation.map(|violation| (seed, violation));
        found.is_none()
    })?;
    let seconds = began.elapsed().as_secs_f64();
    match &found {
        Some((seed, violation)) => {
            let detail: String = violation.detail.chars().take(100).collect();
            println!(
                "{bug:?}: found by seed {seed} ({tried} tried, {seconds:.1} s): {}: {detail}",
                violation.invariant
            );
        }
        None => println!("{bug:?}: NOT FOUND in {tried} seeds ({seconds:.1} s)"),
    }
    Ok(found.is_some())
}
