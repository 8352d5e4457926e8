//! Watching keys, from the arguments or from lines of standard input, with a command to run for each event.

mod arguments;
mod hook;
mod interactive;
mod session;

use std::env;
use std::ffi::{OsStr, OsString};

use bytes::Bytes;
use clap::{Arg, ArgAction, value_parser};
use clap::{ArgMatches, Command};
use kv_client::kv_proto::etcdserverpb::WatchCreateRequest;

use crate::args::flag::{Given, integer, switch, words};
use crate::args::global::Settings;
use crate::failure::{Failure, code};
use crate::print::Seen;

use arguments::{Defaults, asked};
use session::Session;

pub(crate) fn command() -> Command {
    Command::new("watch")
        .about("Shows changes of keys as they happen")
        .override_usage("kvctl watch [OPTIONS] [KEY] [RANGE_END] [-- COMMAND...]")
        .after_help(
            "Without KEY, ETCDCTL_WATCH_KEY and ETCDCTL_WATCH_RANGE_END say what to watch.\n\
             COMMAND runs for each change, which it finds in its environment as ETCD_WATCH_EVENT_TYPE, \
             ETCD_WATCH_KEY, ETCD_WATCH_VALUE and ETCD_WATCH_REVISION.",
        )
        .args([
            words(),
            Arg::new("command")
                .hide(true)
                .last(true)
                .action(ArgAction::Append)
                .num_args(0..)
                .value_parser(value_parser!(OsString)),
            switch("interactive", "Read what to watch from standard input").short('i'),
            switch("prefix", "All keys that begin with this one"),
            switch("prev-kv", "Show what was there before"),
            switch("progress-notify", "Show now and then how far the watch has come"),
            integer("rev", "The first revision to show"),
        ])
}

/// One watcher to create.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Asked {
    pub(crate) request: WatchCreateRequest,
    /// Run for each event, unless empty.
    pub(crate) hook: Vec<OsString>,
}

pub(crate) async fn run(given: &ArgMatches, settings: &Settings) -> Result<(), Failure> {
    settings.style.check::<Seen>()?;
    let defaults = defaults()?;
    let mut session = Session::new(settings.patient_client()?, settings.style);
    if given.on("interactive") {
        return interactive::run(&mut session, &defaults).await;
    }
    let is_separated = env::args_os().any(|argument| argument == "--");
    session.watch(asked(given, &defaults, is_separated)?);
    while session.is_watching() {
        if let Some(response) = session.next().await? {
            session.show(response).await?;
        }
    }
    Err(Failure::new(code::INTERRUPTED, "watch is canceled by the server"))
}

/// What the environment says to watch.
fn defaults() -> Result<Defaults, Failure> {
    let variable = |name: &str| {
        let names = [format!("KVCTL_{name}"), format!("ETCDCTL_{name}")];
        let values = names.iter().filter_map(env::var_os);
        values
            .map(OsStringBytes::into_bytes)
            .find(|value| !value.is_empty())
            .unwrap_or_default()
    };
    Defaults::new(variable("WATCH_KEY"), variable("WATCH_RANGE_END"))
}

/// A variable as bytes.
trait OsStringBytes {
    fn into_bytes(self) -> Bytes;
}

impl OsStringBytes for OsString {
    fn into_bytes(self) -> Bytes {
        Bytes::copy_from_slice(OsStr::as_encoded_bytes(&self))
    }
}
