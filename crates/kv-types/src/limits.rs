/// Bounds on single requests, with etcd's defaults.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Largest encoded proposal, in bytes.
    pub request_bytes_max: usize,
    /// Most comparisons, or operations of one branch, in a transaction (nested ones included).
    pub txn_ops_max: usize,
}

impl Limits {
    /// What a gRPC message may be larger than the proposal made from it, in bytes.
    pub const GRPC_OVERHEAD_BYTES: usize = 512 * 1024;

    /// Largest gRPC message that is received, in bytes.
    pub const fn message_bytes_max(&self) -> usize {
        self.request_bytes_max + Self::GRPC_OVERHEAD_BYTES
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            request_bytes_max: 1_572_864,
            txn_ops_max: 128,
        }
    }
}
