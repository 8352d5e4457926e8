//! The etcd v3 gRPC services over a member.
//!
//! Requests are checked and turned into plain operations, the member carries them out, and its answers are turned
//! back; the exact codes and texts of errors are here. Connections are not: [`Grpc`] is a service for HTTP requests.

pub mod access;
mod body;
mod calls;
mod codec;
mod convert;
mod error;
mod leader;
mod method;
mod oversize;
mod service;
mod services;
mod watch;

pub use calls::{CODES, Calls, MethodCalls, code_name};
pub use error::{Refusal, status};
pub use method::{Kind, Method};
pub use service::{Answer, Grpc, RequestBody};
