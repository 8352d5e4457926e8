use clap::Command;

use crate::failure::Failure;
use crate::print::Page;

/// The version of the etcd API that is spoken.
const API_VERSION: &str = "3.7";

pub(crate) fn command() -> Command {
    Command::new("version")
        .about("Prints the version of kvctl")
        .arg(crate::args::flag::words("words", "NONE").hide(true))
}

pub(crate) fn run() -> Result<(), Failure> {
    let mut page = Page::default();
    page.line(format!("kvctl version: {}", env!("CARGO_PKG_VERSION")));
    page.line(format!("API version: {API_VERSION}"));
    page.print()
}
