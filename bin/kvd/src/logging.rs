use std::io::IsTerminal;

use kv_config::LogLevel;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::prelude::*;

/// Sends log lines to standard error, from `level` up. openraft tells its inner life at info level: a level less.
pub(crate) fn init(level: LogLevel) {
    let (ours, openraft) = match level {
        LogLevel::Debug => (LevelFilter::DEBUG, LevelFilter::INFO),
        LogLevel::Info => (LevelFilter::INFO, LevelFilter::WARN),
        LogLevel::Warn => (LevelFilter::WARN, LevelFilter::WARN),
        LogLevel::Error => (LevelFilter::ERROR, LevelFilter::ERROR),
    };
    let lines = tracing_subscriber::fmt::layer()
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .with_target(false);
    let filter = Targets::new()
        .with_default(ours)
        .with_target("openraft", openraft);
    tracing_subscriber::registry()
        .with(lines.with_filter(filter))
        .init();
}
