use kv_config::Config;

/// What `--version` prints: etcd's four lines, then our own.
pub(crate) fn version() -> String {
    format!(
        "etcd Version: {}\nGit SHA: none\nGo Version: none (Rust)\nGo OS/Arch: {}/{}\nkvd Version: {}\n",
        kv_embed::ETCD_VERSION,
        std::env::consts::OS,
        match std::env::consts::ARCH {
            "x86_64" => "amd64",
            "aarch64" => "arm64",
            other => other,
        },
        env!("CARGO_PKG_VERSION"),
    )
}

/// The first screen: what this is, where its data is, and what to try next.
pub(crate) fn welcome(config: &Config) -> String {
    let endpoint = config
        .advertise_client_urls
        .first()
        .map(ToString::to_string)
        .unwrap_or_default();
    let members = config.initial_cluster.members.len();
    format!(
        "kvd {} speaks the etcd v3 API (as etcd {}).\n\
         \x20 member   {} of {} at bootstrap\n\
         \x20 data     {}\n\
         \x20 clients  {}\n\
         Try:  kvctl --endpoints {endpoint} put greeting hello\n\
         \x20     kvctl --endpoints {endpoint} get greeting\n",
        env!("CARGO_PKG_VERSION"),
        kv_embed::ETCD_VERSION,
        config.name,
        members,
        config.data_dir.display(),
        config
            .listen_client_urls
            .iter()
            .map(ToString::to_string)
            .collect::<Vec<_>>()
            .join(", "),
    )
}
