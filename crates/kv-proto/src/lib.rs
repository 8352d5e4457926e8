//! The wire types and services, generated from `proto/`, one module for each package.
//!
//! `bytes` fields are [`bytes::Bytes`]: what a request carries is not copied on its way into the store.

mod packages {
    #![allow(missing_docs, reason = "generated; proto/ says what needs saying")]
    #![allow(clippy::all, reason = "generated")]

    include!(concat!(env!("OUT_DIR"), "/packages.rs"));
}

pub use packages::*;
