//! Project automation. `cargo xtask help` lists what there is.

mod diff;
mod faults;
mod fuzz;
mod peers;
mod run;
mod sim;
mod tidy;

use std::process::ExitCode;

use anyhow::{Result, bail};

use crate::run::{Suite, cargo};

const HELP: &str = "\
cargo xtask COMMAND

  check          formatting, lints, docs, layout rules, and dependency rules if cargo-deny is installed
  test           all tests: Rust's, then real clients and servers against target/release/kvd;
                 without Go or Python it runs the rest and names what it skipped (with CI=true that fails)
  test rust      Rust's tests alone
  test peers     the tests with real peers alone
  sim --seeds N [--from S]
                 simulates whole clusters with faults, one per seed
  sim --planted  shows that the simulation finds the bugs it is given
  sim --trace SEED
                 tells what happens in one of them
  diff [--ops N] [--seed S]
                 gives kvd and a real etcd the same random requests and compares their whole answers
  faults --minutes N [--seed S] [--peer etcd]
                 puts three real members under fault and checks what their clients saw (needs root; --help
                 lists its arguments)
  fuzz --seconds N
                 feeds every decoder mutated encodings, N seconds each
  bench [ARGS]   benchmarks kvd and a real etcd in turn (--help lists its arguments)
  ci             check, then test: what CI runs
";

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = args.iter().map(String::as_str).collect();
    match dispatch(&words) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("xtask: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn dispatch(words: &[&str]) -> Result<()> {
    match words {
        ["check"] => check(),
        ["test"] => test(true, true),
        ["test", "rust"] => test(true, false),
        ["test", "peers"] => test(false, true),
        ["sim", rest @ ..] => sim::run(rest),
        ["diff", rest @ ..] => diff::run(rest),
        ["faults", rest @ ..] => faults::run(rest),
        ["fuzz", rest @ ..] => fuzz::run(rest),
        ["bench", rest @ ..] => bench(rest),
        ["ci"] => check().and_then(|()| test(true, true)),
        [] | ["help" | "--help" | "-h"] => {
            print!("{HELP}");
            Ok(())
        }
        _ => bail!("unknown command {words:?}\n\n{HELP}"),
    }
}

fn check() -> Result<()> {
    cargo(&["fmt", "--all", "--check"])?;
    cargo(&[
        "clippy",
        "--workspace",
        "--all-targets",
        "--",
        "--deny",
        "warnings",
    ])?;
    run::command("cargo")
        .args(["doc", "--workspace", "--no-deps", "--quiet"])
        .env("RUSTDOCFLAGS", "-D warnings")
        .run()?;
    tidy::check()?;
    if run::succeeds("cargo", &["deny", "--version"]) {
        cargo(&["deny", "check"])?;
    } else {
        println!("skipped: cargo deny (not installed)");
    }
    Ok(())
}

/// The bounded part of the faults: every kind has its turn once or more.
const FAULT_MINUTES: &str = "1.5";
/// Enough for every invariant and fault to have its turn; a minute or less.
const SIMULATED_SEEDS: &str = "200";

/// For each target. A long run is for a night.
const FUZZ_SECONDS: &str = "3";

fn test(rust: bool, with_peers: bool) -> Result<()> {
    cargo(&["build", "--release", "--package", "kvd", "--package", "kvctl"])?;
    let mut suite = Suite::default();
    if rust {
        suite.step("Rust", || {
            cargo(&["test", "--workspace", "--quiet", "--no-fail-fast"])
        });
        suite.step("fuzz", || fuzz::run(&["--seconds", FUZZ_SECONDS]));
        suite.step("simulation", || sim::run(&["--seeds", SIMULATED_SEEDS]));
        suite.step("simulation, planted bugs", || sim::run(&["--planted"]));
        match faults::missing()? {
            Some(missing) => suite.skip("real members under fault", &format!("missing: {missing}")),
            None => suite.step("real members under fault", || {
                faults::run(&["--minutes", FAULT_MINUTES])
            }),
        }
    }
    if with_peers {
        peers::run(&mut suite);
    }
    suite.finish()
}

fn bench(args: &[&str]) -> Result<()> {
    cargo(&[
        "build",
        "--release",
        "--package",
        "kvd",
        "--package",
        "kv-benches",
    ])?;
    peers::build_etcd()?;
    run::command("target/release/kv-benches")
        .args(args.iter().copied())
        .run()
}
