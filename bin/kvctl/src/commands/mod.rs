//! The commands: what each takes, and what it does.

pub(crate) mod alarm;
pub(crate) mod auth;
pub(crate) mod compaction;
pub(crate) mod defrag;
pub(crate) mod del;
pub(crate) mod downgrade;
pub(crate) mod endpoint;
pub(crate) mod get;
pub(crate) mod lease;
pub(crate) mod member;
pub(crate) mod move_leader;
pub(crate) mod put;
pub(crate) mod range;
pub(crate) mod role;
pub(crate) mod snapshot;
pub(crate) mod txn;
pub(crate) mod user;
pub(crate) mod version;
pub(crate) mod watch;

use clap::{ArgMatches, Command};

use crate::args::global::Settings;
use crate::failure::Failure;

/// All commands.
pub(crate) fn all() -> Vec<Command> {
    vec![
        put::command(),
        get::command(),
        del::command(),
        txn::command(),
        watch::command(),
        lease::command(),
        compaction::command(),
        member::command(),
        move_leader::command(),
        endpoint::command(),
        auth::command(),
        user::command(),
        role::command(),
        snapshot::command(),
        alarm::command(),
        defrag::command(),
        downgrade::command(),
        version::command(),
    ]
}

/// Runs the command with this name.
pub(crate) async fn run(name: &str, given: &ArgMatches, settings: &Settings) -> Result<(), Failure> {
    match name {
        "put" => put::run(given, settings).await,
        "get" => get::run(given, settings).await,
        "del" => del::run(given, settings).await,
        "txn" => txn::run(given, settings).await,
        "watch" => watch::run(given, settings).await,
        "lease" => lease::run(given, settings).await,
        "compaction" => compaction::run(given, settings).await,
        "member" => member::run(given, settings).await,
        "auth" => auth::run(given, settings).await,
        "user" => user::run(given, settings).await,
        "role" => role::run(given, settings).await,
        "move-leader" => move_leader::run(given, settings).await,
        "snapshot" => snapshot::run(given, settings).await,
        "alarm" => alarm::run(given, settings).await,
        "defrag" => defrag::run(given, settings).await,
        "downgrade" => downgrade::run(given, settings).await,
        "endpoint" => endpoint::run(given, settings).await,
        _ => version::run(),
    }
}

#[cfg(test)]
mod testing {
    use bytes::Bytes;
    use clap::{ArgMatches, Command};

    /// What a command is given by these words, the first of which is its name.
    pub(crate) fn given(command: Command, words: &[&str]) -> ArgMatches {
        command.try_get_matches_from(words).unwrap()
    }

    pub(crate) fn bytes(text: &'static str) -> Bytes {
        Bytes::from_static(text.as_bytes())
    }
}
