//! What clients may take of a member at a time: calls, bytes of requests, bytes of answers.
//!
//! Nothing here is a limit that a client meets in ordinary use. When a pool is used up, its connections are served
//! up to an equal share each, so that a client which takes all there is cannot keep others from being served.

mod answer;
mod client;
mod framing;
mod pool;
mod request;

pub(crate) use answer::Answered;
pub(crate) use client::{Client, Load, too_many};
pub(crate) use request::RequestBytes;
