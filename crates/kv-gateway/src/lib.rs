//! Everything a member serves on one port: gRPC through `kv-grpc`, and beside it the JSON form of every call, and the
//! plain HTTP pages for health, version and metrics. Sockets and HTTP framing are not known here: [`Edge`] is a service for HTTP requests.

mod edge;
mod health;
mod json;
mod metrics;
mod page;
mod pages;

pub use edge::Edge;
