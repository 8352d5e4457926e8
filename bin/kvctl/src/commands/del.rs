use std::time::Duration;

use clap::{ArgMatches, Command};
use kv_client::kv_proto::etcdserverpb::DeleteRangeRequest;

use super::range;
use crate::args::flag::{Given, switch, words};
use crate::args::global::Settings;
use crate::failure::{Failure, code};
use crate::print::Deleted;
use crate::text::quote::quote;

/// Time to think twice about a second argument, which may have been meant as a second key.
const SECOND_THOUGHT: Duration = Duration::from_secs(2);

pub(crate) fn command() -> Command {
    Command::new("del")
        .about("Deletes keys")
        .override_usage("kvctl del [OPTIONS] KEY [RANGE_END]")
        .args([
            words(),
            switch("from-key", "All keys from this one on"),
            switch("prefix", "All keys that begin with this one"),
            switch("prev-kv", "Print what was deleted"),
            switch("range", "A range is meant: do not wait before deleting it"),
        ])
}

/// The request that del stands for, also in a transaction.
pub(crate) fn request(given: &ArgMatches) -> Result<DeleteRangeRequest, Failure> {
    let words = given.words_of();
    if words.is_empty() || words.len() > 2 {
        let text = "del command needs one argument as key and an optional argument as range_end";
        return Err(Failure::new(code::BAD_ARGS, text));
    }
    let (key, range_end) = range::of_words(words, given.on("prefix"), given.on("from-key"))?;
    Ok(DeleteRangeRequest {
        key,
        range_end,
        prev_kv: given.on("prev-kv"),
    })
}

/// What to say, before some time to think twice, of a range that might be a mistake.
fn doubt(given: &ArgMatches) -> Option<String> {
    match &given.words_of()[..] {
        [from, to] if !given.on("range") => Some(format!(
            "Warning: Keys between {} and {} will be deleted. Please interrupt the command within next 2 seconds to \
             cancel. You can provide `--range` flag to avoid the delay.",
            quote(from),
            quote(to)
        )),
        _ => None,
    }
}

/// Leaves time to interrupt the command if its range might be a mistake.
pub(crate) async fn think_twice(given: &ArgMatches) {
    if let Some(doubt) = doubt(given) {
        eprintln!("{doubt}");
        tokio::time::sleep(SECOND_THOUGHT).await;
    }
}

pub(crate) async fn run(given: &ArgMatches, settings: &Settings) -> Result<(), Failure> {
    settings.style.check::<Deleted>()?;
    let request = request(given)?;
    think_twice(given).await;
    let response = settings.client()?.delete_range(request).await;
    let response = response.map_err(|error| Failure::call(code::ERROR, &error))?;
    settings.style.render(&Deleted(response)).print()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::testing::{bytes, given};

    #[test]
    fn words_and_flags_become_a_request() {
        let request = request(&given(command(), &["del", "--prefix", "a", "--prev-kv"]));
        let want = DeleteRangeRequest {
            key: bytes("a"),
            range_end: bytes("b"),
            prev_kv: true,
        };
        assert_eq!(request, Ok(want));
    }

    #[test]
    fn a_second_argument_is_doubted_unless_it_is_said_to_be_a_range() {
        assert!(
            doubt(&given(command(), &["del", "x", "y"]))
                .is_some_and(|text| text.contains(r#"between "x" and "y""#))
        );
        assert_eq!(doubt(&given(command(), &["del", "x", "y", "--range"])), None);
        assert_eq!(doubt(&given(command(), &["del", "x"])), None);
    }

    #[test]
    fn none_or_three_arguments_are_refused() {
        for words in [&["del"][..], &["del", "a", "b", "c"]] {
            assert!(request(&given(command(), words)).is_err());
        }
    }
}
