//! Benchmarks against a real etcd.
fn main() {}
