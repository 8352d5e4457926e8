//! What each method does: check, convert, ask the member, convert back.

pub(crate) mod auth;
pub(crate) mod cluster;
pub(crate) mod health;
pub(crate) mod kv;
pub(crate) mod lease;
pub(crate) mod maintenance;
pub(crate) mod range_stream;
