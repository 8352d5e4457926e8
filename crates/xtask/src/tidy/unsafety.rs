//! No unsafe code, and no way to allow it without this list.

use anyhow::{Context, Result};

use crate::run::root;

/// Files that may have unsafe code, each with a reason that was reviewed. There is none.
const REVIEWED: &[(&str, &str)] = &[];

/// The lint that forbids it, in the manifest of the workspace.
const FORBIDDEN: &str = "unsafe_code = \"forbid\"";

/// Checks one tracked file.
pub(super) fn check(file: &str, faults: &mut Vec<String>) -> Result<()> {
    let is_manifest = file == "Cargo.toml" || file.ends_with("/Cargo.toml");
    if !is_manifest && !file.ends_with(".rs") {
        return Ok(());
    }
    let path = root().join(file);
    if !path.exists() {
        // Deleted, but not committed yet.
        return Ok(());
    }
    let text = std::fs::read_to_string(&path).with_context(|| format!("read {file}"))?;
    let is_reviewed = REVIEWED.iter().any(|(reviewed, _)| *reviewed == file);
    if !is_reviewed && let Some(fault) = fault(file, &text) {
        faults.push(format!("{file}: {fault}"));
    }
    Ok(())
}

/// What is wrong with a file.
fn fault(file: &str, text: &str) -> Option<&'static str> {
    let has = |line: &str| text.lines().any(|known| known.trim() == line);
    if file == "Cargo.toml" {
        return (!has(FORBIDDEN)).then_some("the workspace does not forbid unsafe code");
    }
    if file.ends_with("Cargo.toml") {
        let lints = text.split("\n[").find(|section| section.starts_with("lints]"));
        let inherits = lints.is_some_and(|lints| lints.lines().any(|line| line.trim() == "workspace = true"));
        return (!inherits).then_some("the package does not take over the lints of the workspace");
    }
    let is_unsafe = text.lines().any(is_unsafe);
    is_unsafe.then_some("unsafe code outside of the reviewed list")
}

/// Whether a line of code has the keyword, or allows it.
fn is_unsafe(line: &str) -> bool {
    let code = line.split("//").next().unwrap_or("");
    if code.contains('"') {
        return false;
    }
    let words = code.split(|c: char| !c.is_alphanumeric() && c != '_');
    let mut words = words.filter(|word| !word.is_empty());
    words.any(|word| word == "unsafe" || word == "unsafe_code")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_allows_unsafe_code_is_found() {
        let cases = [
            (
                "Cargo.toml",
                "[workspace.lints.rust]\nunsafe_code = \"forbid\"\n",
                true,
            ),
            (
                "Cargo.toml",
                "[workspace.lints.rust]\nunsafe_code = \"deny\"\n",
                false,
            ),
            (
                "crates/a/Cargo.toml",
                "[package]\n\n[lints]\nworkspace = true\n",
                true,
            ),
            ("crates/a/Cargo.toml", "[package]\nworkspace = true\n", false),
            (
                "crates/a/src/lib.rs",
                "// unsafe only in a comment\nfn unsafely() {}\n",
                true,
            ),
            (
                "crates/a/src/lib.rs",
                concat!("fn f() { ", "unsafe", " { g() } }\n"),
                false,
            ),
            (
                "crates/a/src/lib.rs",
                concat!("#![allow(", "unsafe", "_code)]\n"),
                false,
            ),
        ];
        for (file, text, is_right) in cases {
            assert_eq!(fault(file, text).is_none(), is_right, "{file}: {text}");
        }
    }
}
