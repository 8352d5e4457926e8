//! The JSON form of every call, as grpc-gateway has it in etcd: `POST /v3/…` with the request as JSON.
//!
//! A request is turned into a gRPC request and goes the way of any other, so it is judged and counted as they are.

mod call;
mod failure;
mod routes;
mod transcode;
mod upload;

pub(crate) use call::answer;
pub(crate) use routes::is_json_path;
