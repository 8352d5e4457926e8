//! What a watch command asks for.

use std::ffi::OsString;

use bytes::Bytes;
use clap::ArgMatches;
use kv_client::kv_proto::etcdserverpb::WatchCreateRequest;

use super::Asked;
use crate::args::flag::Given;
use crate::commands::range;
use crate::failure::{Failure, code};
use crate::text::quote::quote;

/// What to watch if the arguments do not say it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Defaults(Vec<Bytes>);

impl Defaults {
    /// A key and perhaps the end of a range; empty ones are not there.
    ///
    /// # Errors
    /// There is an end without a key.
    pub(crate) fn new(key: Bytes, range_end: Bytes) -> Result<Self, Failure> {
        if key.is_empty() && !range_end.is_empty() {
            let end = quote(&range_end);
            let text = format!("ETCDCTL_WATCH_KEY is empty but got ETCDCTL_WATCH_RANGE_END={end}");
            return Err(Failure::new(code::BAD_ARGS, text));
        }
        Ok(Self(
            [key, range_end]
                .into_iter()
                .filter(|word| !word.is_empty())
                .collect(),
        ))
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

fn bad(text: &str) -> Failure {
    Failure::new(code::BAD_ARGS, text)
}

/// What the arguments ask for; `is_separated` if there was a `--` among them.
///
/// # Errors
/// They make no sense.
pub(crate) fn asked(given: &ArgMatches, defaults: &Defaults, is_separated: bool) -> Result<Asked, Failure> {
    let hook: Vec<OsString> = given.get_many("command").into_iter().flatten().cloned().collect();
    if is_separated && hook.is_empty() {
        return Err(bad(
            "bad number of arguments (found separator --, but no commands)",
        ));
    }
    let mut words = given.words_of();
    match (words.is_empty(), defaults.is_empty()) {
        (true, true) => return Err(bad("bad number of arguments")),
        (false, false) => return Err(bad("bad number of arguments (found conflicting environment key)")),
        (true, false) => words.clone_from(&defaults.0),
        (false, true) => {}
    }
    let is_prefix = given.on("prefix");
    let range = match &words[..] {
        [_, _] if is_prefix => return Err(bad("`range_end` and `--prefix` are mutually exclusive")),
        [key, end] => (key.clone(), end.clone()),
        [key, ..] if is_prefix => range::prefix(key.clone()),
        [key, ..] => (key.clone(), Bytes::new()),
        [] => (Bytes::new(), Bytes::new()),
    };
    let request = WatchCreateRequest {
        key: range.0,
        range_end: range.1,
        start_revision: given.integer_of("rev"),
        progress_notify: given.on("progress-notify"),
        prev_kv: given.on("prev-kv"),
        ..Default::default()
    };
    Ok(Asked { request, hook })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::testing::{bytes, given};
    use crate::commands::watch::command;

    fn watched(words: &[&str], defaults: [&'static str; 2]) -> Result<Asked, Failure> {
        let defaults = Defaults::new(bytes(defaults[0]), bytes(defaults[1]))?;
        asked(&given(command(), words), &defaults, words.contains(&"--"))
    }

    #[track_caller]
    fn check(words: &[&str], defaults: [&'static str; 2], want: [&'static str; 2], hook: &[&str]) {
        let asked = watched(words, defaults).unwrap();
        assert_eq!(
            [asked.request.key, asked.request.range_end],
            want.map(bytes),
            "{words:?}"
        );
        assert_eq!(asked.hook, hook, "{words:?}");
    }

    #[test]
    fn keys_come_from_the_arguments_or_from_the_environment() {
        check(&["watch", "a"], ["", ""], ["a", ""], &[]);
        check(&["watch", "a", "--rev", "1", "c"], ["", ""], ["a", "c"], &[]);
        check(&["watch", "a", "--prefix"], ["", ""], ["a", "b"], &[]);
        check(&["watch", "", "--prefix"], ["", ""], ["\0", "\0"], &[]);
        check(&["watch", "--rev=1"], ["a", ""], ["a", ""], &[]);
        check(&["watch"], ["a", "c"], ["a", "c"], &[]);
        check(&["watch", "a", "b", "c"], ["", ""], ["a", ""], &[]);
    }

    #[test]
    fn what_follows_two_dashes_is_a_command() {
        check(
            &["watch", "a", "--", "echo", "--prefix", "--"],
            ["", ""],
            ["a", ""],
            &["echo", "--prefix", "--"],
        );
        check(
            &["watch", "a", "--rev", "1", "c", "--", "echo"],
            ["", ""],
            ["a", "c"],
            &["echo"],
        );
        check(
            &["watch", "--", "echo", "a"],
            ["a", ""],
            ["a", ""],
            &["echo", "a"],
        );
    }

    #[test]
    fn arguments_that_make_no_sense_are_refused() {
        let none = ["", ""];
        for (words, defaults, want) in [
            (&["watch"][..], none, "bad number of arguments"),
            (&["watch", "--", "echo"], none, "bad number of arguments"),
            (
                &["watch", "a", "--"],
                none,
                "bad number of arguments (found separator --, but no commands)",
            ),
            (
                &["watch", "b"],
                ["a", ""],
                "bad number of arguments (found conflicting environment key)",
            ),
            (
                &["watch", "b", "--", "echo", "a"],
                ["a", ""],
                "bad number of arguments (found conflicting environment key)",
            ),
            (
                &["watch", "a", "b", "--prefix"],
                none,
                "`range_end` and `--prefix` are mutually exclusive",
            ),
            (
                &["watch", "b"],
                ["", "a"],
                "ETCDCTL_WATCH_KEY is empty but got ETCDCTL_WATCH_RANGE_END=\"a\"",
            ),
        ] {
            assert_eq!(
                watched(words, defaults),
                Err(Failure::new(code::BAD_ARGS, want)),
                "{words:?}"
            );
        }
    }

    #[test]
    fn flags_become_fields_of_the_request() {
        let asked = watched(
            &["watch", "a", "--rev=5", "--prev-kv", "--progress-notify"],
            ["", ""],
        )
        .unwrap();
        let want = WatchCreateRequest {
            key: bytes("a"),
            start_revision: 5,
            prev_kv: true,
            progress_notify: true,
            ..Default::default()
        };
        assert_eq!(asked.request, want);
    }
}
