//! Project automation: check, test, bench.
fn main() {}
