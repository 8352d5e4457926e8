use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::{Context, Result, bail};

/// The project's root: commands run there, wherever xtask was called from.
pub(crate) fn root() -> PathBuf {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR"));
    manifest
        .ancestors()
        .nth(2)
        .expect("xtask lies two folders below the root")
        .to_path_buf()
}

/// A program to run in the project's root.
pub(crate) struct Program(Command);

pub(crate) fn command(program: &str) -> Program {
    let mut command = Command::new(program);
    command.current_dir(root()).stdin(Stdio::null());
    Program(command)
}

impl Program {
    pub(crate) fn args<'a>(mut self, args: impl IntoIterator<Item = &'a str>) -> Self {
        self.0.args(args);
        self
    }

    pub(crate) fn env(mut self, name: &str, value: &str) -> Self {
        self.0.env(name, value);
        self
    }

    /// Runs it, showing its output; a bad end is an error.
    pub(crate) fn run(mut self) -> Result<()> {
        println!("+ {:?}", self.0);
        let status = self.0.status().with_context(|| format!("run {:?}", self.0))?;
        if !status.success() {
            bail!("{:?} ended with {status}", self.0);
        }
        Ok(())
    }
}

/// Runs cargo.
pub(crate) fn cargo(args: &[&str]) -> Result<()> {
    command("cargo").args(args.iter().copied()).run()
}

/// Whether a program is there and ends well.
pub(crate) fn succeeds(program: &str, args: &[&str]) -> bool {
    let status = Command::new(program)
        .args(args)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    status.is_ok_and(|status| status.success())
}

/// Steps that all run, whatever becomes of those before.
#[derive(Default)]
pub(crate) struct Suite {
    lines: Vec<String>,
    failed: bool,
}

impl Suite {
    pub(crate) fn step(&mut self, name: &str, run: impl FnOnce() -> Result<()>) {
        let start = Instant::now();
        println!("== {name}");
        let result = run();
        let seconds = start.elapsed().as_secs();
        match result {
            Ok(()) => self.lines.push(format!("passed   {name} ({seconds} s)")),
            Err(error) => {
                self.failed = true;
                self.lines
                    .push(format!("FAILED   {name} ({seconds} s): {error:#}"));
            }
        }
    }

    /// A step that cannot run here. With `CI=true` that is a failure.
    pub(crate) fn skip(&mut self, name: &str, why: &str) {
        self.failed |= std::env::var("CI").is_ok_and(|ci| ci == "true");
        self.lines.push(format!("skipped  {name}: {why}"));
    }

    pub(crate) fn finish(self) -> Result<()> {
        println!("== summary");
        for line in &self.lines {
            println!("{line}");
        }
        if self.failed {
            bail!("not everything passed");
        }
        Ok(())
    }
}
