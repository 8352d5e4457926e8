use std::io::IsTerminal;

use kv_config::LogLevel;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::prelude::*;

/// Sends log lines to standard error, from `level` up. openraft tells its inner life at info level, and warns of every
/// message to a member that is down; who leads and who cannot be reached is said by this program itself.
pub(crate) fn init(level: LogLevel) {
    let (ours, openraft) = match level {
        LogLevel::Debug => (LevelFilter::DEBUG, LevelFilter::INFO),
        LogLevel::Info => (LevelFilter::INFO, LevelFilter::ERROR),
        LogLevel::Warn => (LevelFilter::WARN, LevelFilter::ERROR),
        LogLevel::Error => (LevelFilter::ERROR, LevelFilter::ERROR),
    };
    let lines = tracing_subscriber::fmt::layer()
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .with_target(false);
    let filter = Targets::new()
        .with_default(ours)
        .with_target("openraft", openraft)
        // Its handles complain of messages that come while it stops; whoever calls them is told.
        .with_target("openraft::raft", LevelFilter::OFF);
    tracing_subscriber::registry()
        .with(lines.with_filter(filter))
        .init();
}
