use kv_fuzz::{Memory, Target};

use crate::{Config, Options};

/// Settings as lines, one for each, in the order of [`options`].
const SETTINGS: [&str; 2] = [
    "m1\n/data/m1\nhttp://127.0.0.1:2379,https://[::1]:2379\nhttp://a.example:2379\nhttp://127.0.0.1:2380\n\
     http://10.0.0.1:2380\nm1=http://10.0.0.1:2380,m2=http://10.0.0.2:2380\nnew\ntoken\n100\n1000\n10000\ninfo\n10m\n0",
    "default\n\n\n\nhttp://localhost:2380\nhttp://localhost:2380\ndefault=http://localhost:2380\nexisting\n\
     etcd-cluster\n50\n500\n0\ndebug\n1h2m3.5s\n-1",
];

fn options(text: &str) -> Options {
    let mut lines = text.split('\n').map(str::to_owned);
    let mut next = move || lines.next().unwrap_or_default();
    let given = |text: String| (!text.is_empty()).then_some(text);
    Options {
        name: next(),
        data_dir: given(next()),
        listen_client_urls: given(next()),
        advertise_client_urls: given(next()),
        listen_peer_urls: next(),
        initial_advertise_peer_urls: next(),
        initial_cluster: given(next()),
        initial_cluster_state: next(),
        initial_cluster_token: next(),
        heartbeat_interval: next().parse().unwrap_or(0),
        election_timeout: next().parse().unwrap_or(u64::MAX),
        snapshot_count: next().parse().unwrap_or(0),
        log_level: next(),
        watch_progress_notify_interval: next(),
        quota_backend_bytes: next().parse().unwrap_or(0),
        ..Options::default()
    }
}

/// Whatever is accepted names this member in its cluster.
#[test]
fn settings() {
    let target = Target {
        name: "settings",
        package: env!("CARGO_MANIFEST_DIR"),
        encodings: SETTINGS.map(|text| text.as_bytes().to_vec()).to_vec(),
        memory: Memory {
            fixed: 64 << 10,
            per_byte: 400,
        },
    };
    target.run(
        |input| match Config::from_options(&options(&String::from_utf8_lossy(input))) {
            Ok(config) => {
                let id = config.member_id();
                assert!(
                    config
                        .initial_cluster
                        .members
                        .iter()
                        .any(|member| member.id == id)
                );
                assert_ne!(config.cluster_id().get(), 0);
            }
            Err(error) => assert!(!error.to_string().is_empty()),
        },
    );
}
