//! The edge of a running member, called without a socket.
#![expect(clippy::unwrap_used, reason = "a test")]

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use kv_embed::{Config, Member, Options};
use kv_gateway::Edge;
use kv_proto::etcdserverpb as etcd;
use kv_proto::etcdserverpb::kv_client::KvClient;
use kv_proto::etcdserverpb::lease_client::LeaseClient;
use kv_proto::etcdserverpb::maintenance_client::MaintenanceClient;
use kv_proto::etcdserverpb::watch_client::WatchClient;
use kv_proto::etcdserverpb::watch_request::RequestUnion;
use kv_proto::grpc::health::v1::HealthCheckRequest;
use kv_proto::grpc::health::v1::health_client::HealthClient;
use tempfile::TempDir;
use tokio_stream::{StreamExt, iter};
use tonic::{Code, Status};
use tower::ServiceExt;

struct Running {
    member: Member,
    _dir: TempDir,
}

impl Running {
    async fn start() -> Self {
        let dir = TempDir::new().unwrap();
        let options = Options {
            data_dir: Some(dir.path().join("data").display().to_string()),
            listen_client_urls: Some("http://127.0.0.1:0".into()),
            advertise_client_urls: Some("http://127.0.0.1:0".into()),
            listen_peer_urls: "http://127.0.0.1:0".into(),
            ..Options::default()
        };
        let member = Member::start(Config::from_options(&options).unwrap())
            .await
            .unwrap();
        Self { member, _dir: dir }
    }

    fn edge(&self) -> Edge {
        self.member.service()
    }

    async fn put(&self, key: &str, value: impl Into<Bytes>) -> i64 {
        let put = etcd::PutRequest {
            key: key.to_owned().into(),
            value: value.into(),
            ..Default::default()
        };
        let response = KvClient::new(self.edge()).put(put).await.unwrap().into_inner();
        response.header.unwrap().revision
    }

    async fn page(&self, method: Method, uri: &str) -> (Response<()>, String) {
        page(self.edge(), method, uri).await
    }

    /// A page that must be there.
    async fn get(&self, uri: &str) -> String {
        let (head, body) = self.page(Method::GET, uri).await;
        assert_eq!(head.status(), StatusCode::OK, "{uri}: {body}");
        body
    }
}

async fn page(edge: Edge, method: Method, uri: &str) -> (Response<()>, String) {
    let request = Request::builder()
        .method(method)
        .uri(uri)
        .body(Full::<Bytes>::default())
        .unwrap();
    let (head, body) = edge.oneshot(request).await.unwrap().into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    (
        Response::from_parts(head, ()),
        String::from_utf8(body.into()).unwrap(),
    )
}

fn header<'a>(response: &'a Response<()>, name: &str) -> &'a str {
    response
        .headers()
        .get(name)
        .map_or("", |value| value.to_str().unwrap())
}

fn told(status: &Status) -> (Code, &str) {
    (status.code(), status.message())
}

#[tokio::test]
async fn pages_are_those_of_etcd() {
    let running = Running::start().await;
    assert_eq!(running.get("/health").await, r#"{"health":"true","reason":""}"#);
    assert_eq!(
        running.get("/health?serializable=true&exclude=NOSPACE").await,
        r#"{"health":"true","reason":""}"#
    );
    assert_eq!(
        running.get("/version").await,
        r#"{"etcdserver":"3.6.14","etcdcluster":"3.6.0","storage":"3.6.0"}"#
    );
    assert_eq!(running.get("/livez").await, "ok\n");
    assert_eq!(
        running.get("/livez?verbose").await,
        "[+]serializable_read ok\nok\n"
    );
    assert_eq!(
        running.get("/readyz?verbose&exclude=data_corruption").await,
        "[+]serializable_read ok\n[+]linearizable_read ok\n[+]non_learner ok\nok\n"
    );
    assert_eq!(running.get("/readyz/non_learner").await, "ok\n");

    let (head, body) = running.page(Method::GET, "/v2/keys").await;
    assert_eq!(
        (head.status(), &body[..]),
        (StatusCode::NOT_FOUND, "404 page not found\n")
    );
    let (head, body) = running.page(Method::POST, "/health").await;
    assert_eq!(
        (head.status(), &body[..]),
        (StatusCode::METHOD_NOT_ALLOWED, "Method Not Allowed\n")
    );
    assert_eq!(header(&head, "allow"), "GET");
    let (head, body) = running.page(Method::OPTIONS, "/v3/kv/range").await;
    assert_eq!((head.status(), &body[..]), (StatusCode::OK, ""));
    assert_eq!(header(&head, "access-control-allow-origin"), "*");
    running.member.shutdown().await;
}

#[tokio::test]
async fn a_metrics_port_has_health_and_metrics_alone() {
    let running = Running::start().await;
    let metrics = running.edge().metrics_only();
    for uri in ["/health", "/livez", "/readyz", "/metrics"] {
        assert_eq!(
            page(metrics.clone(), Method::GET, uri).await.0.status(),
            StatusCode::OK,
            "{uri}"
        );
    }
    let (head, _) = page(metrics.clone(), Method::GET, "/version").await;
    assert_eq!(
        (head.status(), header(&head, "access-control-allow-origin")),
        (StatusCode::NOT_FOUND, "")
    );
    let status = KvClient::new(metrics)
        .range(etcd::RangeRequest::default())
        .await
        .unwrap_err();
    assert_ne!(status.code(), Code::InvalidArgument, "no call is served");
    running.member.shutdown().await;
}

#[tokio::test]
async fn calls_are_counted_by_method_and_outcome() {
    let running = Running::start().await;
    running.put("a", "1").await;
    running.put("b", "2").await;
    KvClient::new(running.edge())
        .put(etcd::PutRequest::default())
        .await
        .unwrap_err();
    let watch = WatchClient::new(running.edge()).watch(iter([])).await.unwrap();
    let line = |name: &str, labels: &str, value: u64| format!("\n{name}{{{labels}}} {value}\n");
    let put = r#"grpc_method="Put",grpc_service="etcdserverpb.KV",grpc_type="unary""#;
    let text = running.get("/metrics").await;
    for expected in [
        line("grpc_server_started_total", put, 3),
        line("grpc_server_handled_total", &format!("grpc_code=\"OK\",{put}"), 2),
        line(
            "grpc_server_handled_total",
            &format!("grpc_code=\"InvalidArgument\",{put}"),
            1,
        ),
        "\netcd_server_has_leader 1\n".to_owned(),
        "\netcd_debugging_mvcc_keys_total 2\n".to_owned(),
        "\netcd_debugging_mvcc_current_revision 3\n".to_owned(),
    ] {
        assert!(text.contains(&expected), "{expected}");
    }
    assert!(text.contains("\nprocess_resident_memory_bytes "));

    // Streams count as handled when they are over, however that came.
    let watch_line = |code: &str, count| {
        let labels = r#"grpc_method="Watch",grpc_service="etcdserverpb.Watch",grpc_type="bidi_stream""#;
        line(
            "grpc_server_handled_total",
            &format!("grpc_code=\"{code}\",{labels}"),
            count,
        )
    };
    assert!(text.contains(&watch_line("Canceled", 0)));
    drop(watch);
    assert!(running.get("/metrics").await.contains(&watch_line("Canceled", 1)));
    running.member.shutdown().await;
}

#[tokio::test]
async fn what_is_not_there_is_unimplemented() {
    let running = Running::start().await;
    let call = |path: &'static str| {
        let edge = running.edge();
        async move {
            let request = Request::builder()
                .method(Method::POST)
                .uri(path)
                .header("content-type", "application/grpc")
                .body(Full::<Bytes>::default())
                .unwrap();
            let response = edge.oneshot(request).await.unwrap();
            let status = Status::from_header_map(response.headers()).unwrap();
            (status.code(), status.message().to_owned())
        }
    };
    for (path, text) in [
        (
            "/etcdserverpb.KV/Nope",
            "unknown method Nope for service etcdserverpb.KV",
        ),
        ("/a.B/C", "unknown service a.B"),
    ] {
        assert_eq!(call(path).await, (Code::Unimplemented, text.to_owned()));
    }
    running.member.shutdown().await;
}

#[tokio::test]
async fn metadata_is_looked_at_before_the_message() {
    let running = Running::start().await;
    let range = |name: &'static str, value: http::HeaderValue| {
        let mut request = Request::builder()
            .method(Method::POST)
            .uri("/etcdserverpb.KV/Range");
        request = request
            .header("content-type", "application/grpc")
            .header(name, value);
        // One byte of flags, four of length, no message: an empty key.
        let request = request.body(Full::new(Bytes::from_static(&[0; 5]))).unwrap();
        let edge = running.edge();
        async move {
            let response = edge.oneshot(request).await.unwrap();
            Status::from_header_map(response.headers())
                .unwrap()
                .message()
                .to_owned()
        }
    };
    let invalid = http::HeaderValue::from_bytes(b"3.\xff").unwrap();
    assert_eq!(
        range("client-api-version", invalid).await,
        "etcdserver: invalid client api version"
    );
    let leader = http::HeaderValue::from_static("true");
    assert_eq!(
        range("hasleader", leader).await,
        "etcdserver: key is not provided"
    );
    running.member.shutdown().await;
}

#[tokio::test]
async fn oversized_messages_are_told_so_in_the_words_of_grpc_go() {
    let running = Running::start().await;
    let large = Bytes::from(vec![0; 3 << 20]);
    let put = etcd::PutRequest {
        key: "k".into(),
        value: large.clone(),
        ..Default::default()
    };
    let status = KvClient::new(running.edge()).put(put).await.unwrap_err();
    let text = "grpc: received message larger than max (3145736 vs. 2097152)";
    assert_eq!(told(&status), (Code::ResourceExhausted, text));

    let create = etcd::WatchCreateRequest {
        key: large,
        ..Default::default()
    };
    let request = etcd::WatchRequest {
        request_union: Some(RequestUnion::CreateRequest(create)),
    };
    let mut stream = WatchClient::new(running.edge())
        .watch(iter([request]))
        .await
        .unwrap()
        .into_inner();
    let status = stream.message().await.unwrap_err();
    assert_eq!(status.code(), Code::ResourceExhausted);
    assert!(
        status
            .message()
            .starts_with("grpc: received message larger than max (")
    );

    let put = etcd::PutRequest {
        key: "k".into(),
        value: Bytes::from(vec![0; 1_600_000]),
        ..Default::default()
    };
    let status = KvClient::new(running.edge()).put(put).await.unwrap_err();
    assert_eq!(
        told(&status),
        (Code::InvalidArgument, "etcdserver: request is too large")
    );
    running.member.shutdown().await;
}

#[tokio::test]
async fn large_watch_responses_are_split_for_those_who_ask() {
    let running = Running::start().await;
    let keys = 4;
    let mut last = 0;
    for key in 0..keys {
        last = running.put(&format!("k{key}"), vec![b'v'; 1_000_000]).await;
    }
    let create = etcd::WatchCreateRequest {
        key: "k".into(),
        range_end: "l".into(),
        start_revision: 1,
        fragment: true,
        ..Default::default()
    };
    let request = etcd::WatchRequest {
        request_union: Some(RequestUnion::CreateRequest(create)),
    };
    // The client's side of the stream ends at once; the watch must go on.
    let client = WatchClient::new(running.edge()).max_decoding_message_size(usize::MAX);
    let mut stream = { client }.watch(iter([request])).await.unwrap().into_inner();
    assert!(stream.message().await.unwrap().unwrap().created);
    let mut revisions = Vec::new();
    let mut marks = Vec::new();
    while revisions.len() < keys {
        let response = stream.message().await.unwrap().unwrap();
        marks.push(response.fragment);
        revisions.extend(
            response
                .events
                .iter()
                .map(|event| event.kv.as_ref().unwrap().mod_revision),
        );
        assert_eq!(response.watch_id, 0);
    }
    assert!(revisions.is_sorted() && revisions.last() == Some(&last));
    assert!(marks.len() > 1 && marks.contains(&true), "{marks:?}");
    assert_eq!(marks.last(), Some(&false));
    running.member.shutdown().await;
}

#[tokio::test]
async fn a_stopping_member_ends_its_watches_with_an_error() {
    let running = Running::start().await;
    let mut stream = WatchClient::new(running.edge())
        .watch(iter([]))
        .await
        .unwrap()
        .into_inner();
    running.member.shutdown().await;
    let status = stream.message().await.unwrap_err();
    assert_eq!(told(&status), (Code::Unavailable, "etcdserver: server stopped"));
}

#[tokio::test]
async fn keep_alives_are_answered_in_order_until_the_client_ends() {
    let running = Running::start().await;
    let mut client = LeaseClient::new(running.edge());
    let grant = etcd::LeaseGrantRequest { ttl: 100, id: 7 };
    assert_eq!(client.lease_grant(grant).await.unwrap().into_inner().ttl, 100);
    let requests = [7, 8, 0, 7].map(|id| etcd::LeaseKeepAliveRequest { id });
    let stream = client
        .lease_keep_alive(iter(requests))
        .await
        .unwrap()
        .into_inner();
    let answers: Vec<(i64, i64)> = stream
        .map(|answer| answer.map(|answer| (answer.id, answer.ttl)).unwrap())
        .collect()
        .await;
    assert_eq!(answers, [(7, 100), (8, 0), (0, 0), (7, 100)]);
    running.member.shutdown().await;
}

#[tokio::test]
async fn the_health_service_knows_the_server_alone() {
    let running = Running::start().await;
    let mut client = HealthClient::new(running.edge());
    let serving = client
        .check(HealthCheckRequest::default())
        .await
        .unwrap()
        .into_inner();
    assert_eq!(serving.status().as_str_name(), "SERVING");
    let other = HealthCheckRequest {
        service: "etcdserverpb.KV".into(),
    };
    assert_eq!(
        client.check(other.clone()).await.unwrap_err().code(),
        Code::NotFound
    );
    let mut changes = client.watch(other).await.unwrap().into_inner();
    let first = changes.message().await.unwrap().unwrap();
    assert_eq!(first.status().as_str_name(), "SERVICE_UNKNOWN");
    running.member.shutdown().await;
}

#[tokio::test]
async fn alarms_are_raised_listed_and_disarmed() {
    let running = Running::start().await;
    let mut client = MaintenanceClient::new(running.edge());
    let mut ask = async |action: i32, alarm: etcd::AlarmType| {
        let request = etcd::AlarmRequest {
            action,
            member_id: 7,
            alarm: alarm.into(),
        };
        let response = client.alarm(request).await.unwrap().into_inner();
        assert_eq!(response.header.unwrap().revision, 1);
        response.alarms
    };
    let raised = [etcd::AlarmMember {
        member_id: 7,
        alarm: etcd::AlarmType::Corrupt.into(),
    }];
    let (get, activate, deactivate) = (0, 1, 2);
    assert_eq!(ask(get, etcd::AlarmType::None).await, []);
    assert_eq!(ask(activate, etcd::AlarmType::Corrupt).await, raised);
    assert_eq!(ask(get, etcd::AlarmType::None).await, raised);
    assert_eq!(ask(get, etcd::AlarmType::Nospace).await, []);
    assert_eq!(ask(deactivate, etcd::AlarmType::Corrupt).await, raised);
    assert_eq!(ask(get, etcd::AlarmType::None).await, []);
    running.member.shutdown().await;
}
