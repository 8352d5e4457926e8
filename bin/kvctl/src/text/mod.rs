//! The ways of writing numbers and strings that users of etcd's tools know, which are Go's.

pub(crate) mod duration;
pub(crate) mod number;
pub(crate) mod quote;
pub(crate) mod size;
pub(crate) mod words;
