//! The wire types and services, generated from `proto/`, one module for each package.
//!
//! `bytes` fields are [`bytes::Bytes`]: what a request carries is not copied on its way into the store.

mod packages {
    #![allow(missing_docs, reason = "generated; proto/ says what needs saying")]
    #![allow(
        unreachable_pub,
        clippy::all,
        clippy::missing_errors_doc,
        clippy::allow_attributes_without_reason,
        reason = "generated"
    )]

    include!(concat!(env!("OUT_DIR"), "/packages.rs"));
}

pub use packages::*;

/// Descriptions of all messages and services, as an encoded `google.protobuf.FileDescriptorSet`.
pub const DESCRIPTORS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/descriptors.bin"));
