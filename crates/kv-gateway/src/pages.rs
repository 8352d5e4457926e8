use std::sync::Arc;

use http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue,
};
use http::{HeaderMap, Method, Uri};
use kv_grpc::Calls;
use kv_server::{ETCD_CLUSTER_VERSION, ETCD_VERSION, Server};
use serde::Serialize;

use crate::health::{self, HealthCounts, Probe};
use crate::metrics;
use crate::page::{JSON, Page, method_not_allowed, not_found, page};

/// The plain HTTP pages of a member.
#[derive(Clone)]
pub(crate) struct Pages {
    server: Server,
    calls: Arc<Calls>,
    counts: Arc<HealthCounts>,
    /// On the metrics port only health and metrics are served, and browsers are not thought of.
    metrics_only: bool,
}

#[derive(Serialize)]
struct Version {
    etcdserver: &'static str,
    etcdcluster: &'static str,
    storage: &'static str,
}

impl Pages {
    pub(crate) fn new(server: Server, calls: Arc<Calls>) -> Self {
        Self {
            server,
            calls,
            counts: Arc::default(),
            metrics_only: false,
        }
    }

    pub(crate) fn metrics_only(&self) -> Self {
        Self {
            metrics_only: true,
            ..self.clone()
        }
    }

    /// Answers a request; its body is not looked at.
    pub(crate) async fn answer(&self, method: Method, uri: Uri) -> Page {
        if self.metrics_only {
            return self.find(&method, &uri).await;
        }
        let mut page = match method {
            Method::OPTIONS => Page::default(),
            method => self.find(&method, &uri).await,
        };
        allow_browsers(page.headers_mut());
        page
    }

    async fn find(&self, method: &Method, uri: &Uri) -> Page {
        let query = uri.query().unwrap_or_default();
        let probe = Probe::find(uri.path(), query);
        match uri.path() {
            "/metrics" => metrics::page(&self.server, &self.calls, &self.counts),
            "/health" | "/version" if method != Method::GET => method_not_allowed(),
            "/health" => health::health(&self.server, query, &self.counts).await,
            "/version" if !self.metrics_only => version(),
            _ => match probe {
                Some(_) if method != Method::GET => method_not_allowed(),
                Some((probe, checks)) => {
                    health::probe(&self.server, probe, checks, query, &self.counts).await
                }
                None => not_found(),
            },
        }
    }
}

/// Lets pages of any origin in a browser make requests.
pub(crate) fn allow_browsers(headers: &mut HeaderMap) {
    let value = HeaderValue::from_static;
    headers.insert(
        ACCESS_CONTROL_ALLOW_METHODS,
        value("POST, GET, OPTIONS, PUT, DELETE"),
    );
    headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, value("*"));
    headers.insert(
        ACCESS_CONTROL_ALLOW_HEADERS,
        value("accept, content-type, authorization"),
    );
}

fn version() -> Page {
    let version = Version {
        etcdserver: ETCD_VERSION,
        etcdcluster: ETCD_CLUSTER_VERSION,
        storage: ETCD_CLUSTER_VERSION,
    };
    page(
        JSON,
        serde_json::to_string(&version).expect("a struct of strings has a JSON form"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_page_has_etcds_three_fields_in_order() {
        assert_eq!(
            version().body(),
            &format!(
                r#"{{"etcdserver":"{ETCD_VERSION}","etcdcluster":"{ETCD_CLUSTER_VERSION}","storage":"{ETCD_CLUSTER_VERSION}"}}"#
            )
        );
    }
}
