//! Many seeds, on all cores.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use kv_sim::{Report, Violation, simulate};
use kv_types::planted::Bug;

/// Violations that are told in full.
const TOLD_MAX: usize = 3;

/// How often progress is told.
const PROGRESS_INTERVAL: Duration = Duration::from_secs(30);

/// One seed of so many is run twice.
const REPLAYED_OF: u64 = 50;

/// What came of all of them.
#[derive(Default)]
struct Totals {
    seeds: u64,
    simulated: Duration,
    faults: BTreeMap<&'static str, u64>,
    checked: BTreeMap<&'static str, u64>,
    healed: Vec<Duration>,
    violations: Vec<Report>,
}

/// Runs seeds and prints what came of them. Whether nothing was violated.
pub(crate) fn run(from: u64, number: u64) -> anyhow::Result<bool> {
    let began = Instant::now();
    let mut totals = Totals::default();
    let mut told = Instant::now();
    each(None, from, number, |report| {
        totals.take(report);
        if told.elapsed() >= PROGRESS_INTERVAL {
            told = Instant::now();
            println!("{} seeds, {} violations", totals.seeds, totals.violations.len());
        }
        true
    })?;
    totals.print(began.elapsed());
    Ok(totals.violations.is_empty())
}

/// Runs seeds on all cores, perhaps with a bug planted, and hands the reports over as they come, until `take` has
/// enough.
pub(crate) fn each(
    bug: Option<Bug>,
    from: u64,
    number: u64,
    mut take: impl FnMut(Report) -> bool,
) -> anyhow::Result<()> {
    #[cfg(not(feature = "planted"))]
    let _ = bug;
    let next = AtomicU64::new(from);
    let enough = AtomicBool::new(false);
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        let (reports, queue) = mpsc::channel();
        for _ in 0..threads {
            let reports = reports.clone();
            let (next, enough) = (&next, &enough);
            scope.spawn(move || {
                #[cfg(feature = "planted")]
                kv_types::planted::plant(bug);
                while !enough.load(Ordering::Relaxed) {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= from + number || reports.send(simulate_checked(seed)).is_err() {
                        return;
                    }
                }
            });
        }
        drop(reports);
        for report in queue {
            if !take(report?) {
                enough.store(true, Ordering::Relaxed);
                break;
            }
        }
        Ok(())
    })
}

/// Now and then runs a seed twice: the same must happen.
fn simulate_checked(seed: u64) -> anyhow::Result<Report> {
    let mut report = simulate(seed, false)?;
    if seed.is_multiple_of(REPLAYED_OF) {
        let again = simulate(seed, false)?;
        if again.trace_hash != report.trace_hash {
            report.violation.get_or_insert(Violation {
                invariant: "the same seed gives the same run",
                detail: format!("{:016x}, then {:016x}", report.trace_hash, again.trace_hash),
            });
        }
    }
    Ok(report)
}

impl Totals {
    fn take(&mut self, report: Report) {
        self.seeds += 1;
        self.simulated += report.simulated;
        self.healed.push(report.healed);
        for (kind, count) in &report.counts.faults {
            *self.faults.entry(kind).or_default() += count;
        }
        for (kind, count) in &report.counts.checked {
            *self.checked.entry(kind).or_default() += count;
        }
        if report.violation.is_some() {
            if self.violations.len() < TOLD_MAX {
                tell(&report);
            }
            self.violations.push(report);
        }
    }

    fn print(&mut self, took: Duration) {
        let faults: u64 = self.faults.values().sum();
        let hours = self.simulated.as_secs_f64() / 3600.0;
        print_counts("faults", &self.faults);
        print_counts("checked", &self.checked);
        self.healed.sort_unstable();
        let healed = |percent: usize| self.healed.get((self.healed.len() - 1) * percent / 100);
        if !self.healed.is_empty() {
            println!(
                "healed after the last fault: p50 {:?}, p99 {:?}, max {:?}",
                healed(50).unwrap_or(&Duration::ZERO),
                healed(99).unwrap_or(&Duration::ZERO),
                healed(100).unwrap_or(&Duration::ZERO)
            );
        }
        println!(
            "{:.0} times real time, {:.0} seeds a minute, {:.0} faults a simulated hour",
            self.simulated.as_secs_f64() / took.as_secs_f64(),
            count(self.seeds) * 60.0 / took.as_secs_f64(),
            count(faults) / hours
        );
        let mut names: BTreeMap<&str, Vec<u64>> = BTreeMap::new();
        for report in &self.violations {
            let name = report
                .violation
                .as_ref()
                .map_or("", |violation| violation.invariant);
            names.entry(name).or_default().push(report.seed);
        }
        for (name, seeds) in names {
            println!("violated: {name}: seeds {seeds:?}");
        }
        println!(
            "seeds {} simulated_hours {hours:.0} faults {faults} violations {}",
            self.seeds,
            self.violations.len()
        );
    }
}

fn count(number: u64) -> f64 {
    u32::try_from(number).map_or(f64::INFINITY, f64::from)
}

fn print_counts(what: &str, counts: &BTreeMap<&'static str, u64>) {
    println!("{what}:");
    for (kind, count) in counts {
        println!("  {count:>9} {kind}");
    }
}

fn tell(report: &Report) {
    println!("seed {}:", report.seed);
    for line in &report.trace {
        println!("  {line}");
    }
    if let Some(violation) = &report.violation {
        println!("seed {}: VIOLATED {violation}", report.seed);
    }
}
