//! `/metrics`: the numbers of the member, of its calls and of its process, under etcd's names.

mod calls;
mod member;
mod process;
mod text;

use http::header::HeaderValue;
use kv_grpc::Calls;
use kv_server::Server;

use crate::health::HealthCounts;
use crate::page::{self, Page};
use text::Text;

const PROMETHEUS: HeaderValue = HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");

/// The page.
pub(crate) fn page(server: &Server, calls: &Calls, health: &HealthCounts) -> Page {
    let mut text = Text::default();
    member::write(&mut text, server);
    calls::write_health(&mut text, health);
    calls::write_calls(&mut text, calls);
    process::write(&mut text);
    page::page(PROMETHEUS, text.into_string())
}
