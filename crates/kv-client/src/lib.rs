//! A thin etcd v3 client over the generated stubs.
