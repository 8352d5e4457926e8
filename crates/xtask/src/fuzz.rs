use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail, ensure};

use crate::run::root;

/// The packages that have targets.
const PACKAGES: &[&str] = &[
    "kv-config",
    "kv-grpc",
    "kv-machine",
    "kv-mvcc",
    "kv-peer",
    "kv-raft",
    "kv-server",
    "kv-wal",
];

/// What targets say when they end begins with this.
const LINE: &str = "fuzz target ";

/// Runs every target for so many seconds, one after the other, and prints totals.
pub(crate) fn run(words: &[&str]) -> Result<()> {
    let ["--seconds", seconds] = words else {
        bail!("expected --seconds N");
    };
    seconds.parse::<u64>().context("--seconds takes a number")?;
    let mut command = Command::new("cargo");
    command
        .current_dir(root())
        .args(["test", "--no-fail-fast", "--lib"]);
    for package in PACKAGES {
        command.args(["--package", package]);
    }
    command.args(["fuzz::", "--", "--nocapture", "--test-threads=1"]);
    command
        .env("KVD_FUZZ_SECONDS", seconds)
        .stdin(Stdio::null())
        .stderr(Stdio::inherit());
    println!("+ {command:?}");
    let output = command.output().context("run cargo")?;
    let text = String::from_utf8_lossy(&output.stdout);
    let totals = Totals::of(&text)?;
    text.lines().filter_map(line).for_each(|line| println!("{line}"));
    println!(
        "targets {} inputs {} findings {}",
        totals.targets, totals.inputs, totals.findings
    );
    ensure!(
        totals.findings == 0,
        "decoders do what they must not; the inputs are in the corpus"
    );
    ensure!(
        output.status.success(),
        "the targets ended with {}",
        output.status
    );
    ensure!(totals.targets > 0, "no target ran");
    Ok(())
}

/// What targets say, wherever it begins: the test's name may stand before it.
fn line(line: &str) -> Option<&str> {
    line.find(LINE).map(|at| &line[at..])
}

#[derive(Debug, Default, PartialEq)]
struct Totals {
    targets: u64,
    inputs: u64,
    findings: u64,
}

impl Totals {
    fn of(text: &str) -> Result<Self> {
        let mut totals = Self::default();
        for said in text.lines().filter_map(line) {
            let words: Vec<&str> = said.split_whitespace().collect();
            let [_, _, _, "inputs", inputs, "findings", findings] = words[..] else {
                bail!("a target said {said:?}");
            };
            totals.targets += 1;
            totals.inputs += inputs.parse::<u64>()?;
            totals.findings += findings.parse::<u64>()?;
        }
        Ok(totals)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn totals_are_summed_up() {
        let text = "running 2 tests\ntest fuzz::a ... fuzz target a inputs 10 findings 0\nok\n\
                    test fuzz::b ... fuzz target b inputs 5 findings 1\nFAILED\n";
        let totals = Totals {
            targets: 2,
            inputs: 15,
            findings: 1,
        };
        assert_eq!(Totals::of(text).unwrap(), totals);
    }
}
