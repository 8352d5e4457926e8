use clap::Command;

use crate::failure::Failure;
use crate::print::Page;

/// The version of the etcd API that is spoken.
const API_VERSION: &str = "3.7";

pub(crate) fn command() -> Command {
    Command::new("version")
        .about("Says which version this is")
        .arg(crate::args::flag::words())
}

pub(crate) fn run() -> Result<(), Failure> {
    let mut page = Page::default();
    page.line(format!("kvctl version: {}", env!("CARGO_PKG_VERSION")));
    page.line(format!("API version: {API_VERSION}"));
    page.print()
}
