//! Builds the library that writes the journal.

use std::env;
use std::io;
use std::path::Path;
use std::process::{Command, Stdio};

use tempfile::TempPath;

/// The library; `None` where there is no C compiler, which only a person's machine may lack.
pub(crate) fn build() -> Option<TempPath> {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/backend/journal.c");
    let library = tempfile::Builder::new()
        .suffix(".so")
        .tempfile()
        .unwrap()
        .into_temp_path();
    let compiler = env::var_os("CC").unwrap_or_else(|| "cc".into());
    let mut command = Command::new(&compiler);
    command
        .args(["-shared", "-fPIC", "-O1", "-o"])
        .arg(&library)
        .arg(source)
        .args(["-ldl", "-lpthread"]);
    match command.stdin(Stdio::null()).output() {
        Ok(output) => {
            assert!(
                output.status.success(),
                "{}",
                String::from_utf8_lossy(&output.stderr)
            );
            Some(library)
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            assert!(
                env::var_os("CI").is_none_or(|ci| ci != "true"),
                "the power loss tests need a C compiler"
            );
            eprintln!("skipped: the power loss tests need a C compiler, and there is no {compiler:?}");
            None
        }
        Err(error) => panic!("run {compiler:?}: {error}"),
    }
}
