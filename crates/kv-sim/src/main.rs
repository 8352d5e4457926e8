//! `kv-sim seeds N [FROM]`, `kv-sim planted`, `kv-sim trace SEED`.

mod many;
mod planted;

use std::process::ExitCode;

const HELP: &str = "\
kv-sim seeds N [FROM]   runs N seeds
kv-sim planted          looks for each planted bug
kv-sim trace SEED       runs one seed and tells what happens
";

fn main() -> ExitCode {
    kv_sim::catch_panics();
    let args: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = args.iter().map(String::as_str).collect();
    match dispatch(&words) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("kv-sim: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Whether all is well.
fn dispatch(words: &[&str]) -> anyhow::Result<bool> {
    match words {
        ["seeds", number] => many::run(1, number.parse()?),
        ["seeds", number, from] => many::run(from.parse()?, number.parse()?),
        ["planted"] => planted::run(),
        ["trace", seed] => trace(seed.parse()?),
        _ => {
            eprint!("{HELP}");
            Ok(false)
        }
    }
}

fn trace(seed: u64) -> anyhow::Result<bool> {
    let report = kv_sim::simulate(seed, true)?;
    println!("{:?}", report.counts);
    println!(
        "seed {seed} trace {:016x} simulated {:?} healed {:?}",
        report.trace_hash, report.simulated, report.healed
    );
    if let Some(violation) = &report.violation {
        println!("{violation}");
    }
    Ok(report.violation.is_none())
}
