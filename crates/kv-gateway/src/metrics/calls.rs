use kv_grpc::{CODES, Calls, MethodCalls, code_name};

use super::text::{Text, Type};
use crate::health::{HealthCounts, Probe};

/// Calls by method and outcome. Every series is there from the start, so that rates are right from the first call.
pub(super) fn write_calls(text: &mut Text, calls: &Calls) {
    let methods: Vec<MethodCalls> = calls.methods().collect();
    let labels = |calls: &MethodCalls| {
        [
            ("grpc_method", calls.method.name()),
            ("grpc_service", calls.method.service()),
            ("grpc_type", calls.method.kind().name()),
        ]
    };
    let mut handled = text.family(
        Type::Counter,
        "grpc_server_handled_total",
        "Calls that ended, by status code.",
    );
    for calls in &methods {
        let [method, service, kind] = labels(calls);
        for code in 0..CODES {
            handled.add(
                &[("grpc_code", code_name(code)), method, service, kind],
                calls.handled[code],
            );
        }
    }
    let mut started = text.family(Type::Counter, "grpc_server_started_total", "Calls that began.");
    for calls in &methods {
        started.add(&labels(calls), calls.started);
    }
    text.counter(
        "etcd_network_client_grpc_received_bytes_total",
        "Bytes of messages received from clients.",
        calls.received_bytes(),
    );
    text.counter(
        "etcd_network_client_grpc_sent_bytes_total",
        "Bytes of messages sent to clients.",
        calls.sent_bytes(),
    );
}

/// How the health checks went.
pub(super) fn write_health(text: &mut Text, counts: &HealthCounts) {
    let health = counts.of_health();
    text.counter(
        "etcd_server_health_success",
        "Answers of /health that said healthy.",
        health.good(),
    );
    text.counter(
        "etcd_server_health_failures",
        "Answers of /health that said unhealthy.",
        health.bad(),
    );
    let help = "How a health check went last: 1 well, 0 not.";
    let mut last = text.family(Type::Gauge, "etcd_server_healthcheck", help);
    for (probe, check, outcomes) in all(counts) {
        last.add(&[("type", probe), ("name", check)], outcomes.last());
    }
    let mut total = text.family(
        Type::Counter,
        "etcd_server_healthchecks_total",
        "Health checks, by outcome.",
    );
    for (probe, check, outcomes) in all(counts) {
        for (status, count) in [("success", outcomes.good()), ("error", outcomes.bad())] {
            total.add(&[("type", probe), ("name", check), ("status", status)], count);
        }
    }
}

fn all(
    counts: &HealthCounts,
) -> impl Iterator<Item = (&'static str, &'static str, &crate::health::Outcomes)> {
    Probe::ALL.into_iter().flat_map(|probe| {
        counts
            .checks(probe)
            .map(move |(check, outcomes)| (probe.name(), check.name(), outcomes))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_method_and_code_is_there_before_the_first_call() {
        let mut text = Text::default();
        write_calls(&mut text, &Calls::default());
        let text = text.into_string();
        assert!(text.contains(
            "\ngrpc_server_handled_total{grpc_code=\"OK\",grpc_method=\"Put\",grpc_service=\"etcdserverpb.KV\",\
             grpc_type=\"unary\"} 0\n"
        ));
        assert!(text.contains(
            "\ngrpc_server_started_total{grpc_method=\"Watch\",grpc_service=\"etcdserverpb.Watch\",\
             grpc_type=\"bidi_stream\"} 0\n"
        ));
        let series = kv_grpc::Method::ALL.len();
        assert_eq!(
            text.matches("\ngrpc_server_handled_total{").count(),
            CODES * series
        );
        assert_eq!(text.matches("\ngrpc_server_started_total{").count(), series);
    }
}
