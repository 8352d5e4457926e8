use clap::{ArgMatches, Command};
use kv_client::kv_proto::etcdserverpb::RangeRequest;
use kv_client::kv_proto::etcdserverpb::range_request::{SortOrder, SortTarget};

use super::range;
use crate::args::flag::{Given, integer, switch, text, words};
use crate::args::global::Settings;
use crate::failure::{Failure, code};
use crate::print::{Format, Found};
use crate::text::quote::quote;

pub(crate) fn command() -> Command {
    Command::new("get")
        .about("Reads keys")
        .override_usage("kvctl get [OPTIONS] KEY [RANGE_END]")
        .args([
            words(),
            text("consistency", "l: linearizable, s: serializable").default_value("l"),
            switch(
                "count-only",
                "Count the keys, and print no others than their number (needs -w fields)",
            ),
            switch("from-key", "All keys from this one on"),
            switch("keys-only", "Leave out the values"),
            integer("limit", "How many keys at most (0: all)"),
            integer("max-create-rev", "Largest create revision"),
            integer("max-mod-rev", "Largest modification revision"),
            integer("min-create-rev", "Smallest create revision"),
            integer("min-mod-rev", "Smallest modification revision"),
            text("order", "ASCEND or DESCEND"),
            switch("prefix", "All keys that begin with this one"),
            switch("print-value-only", "Leave out the keys (needs -w simple)"),
            integer("rev", "The revision to read at (0: the newest)"),
            text("sort-by", "CREATE, KEY, MODIFY, VALUE or VERSION"),
            switch("stream", "Have the server send the answer in pieces"),
        ])
}

/// The request that get stands for, also in a transaction.
pub(crate) fn request(given: &ArgMatches) -> Result<RangeRequest, Failure> {
    let words = given.words_of();
    if words.is_empty() {
        let text = "get command needs one argument as key and an optional argument as range_end";
        return Err(Failure::new(code::BAD_ARGS, text));
    }
    let (keys_only, count_only) = (given.on("keys-only"), given.on("count-only"));
    if keys_only && count_only {
        let text = "`--keys-only` and `--count-only` cannot be set at the same time, choose one";
        return Err(Failure::new(code::BAD_ARGS, text));
    }
    let (key, range_end) = range::of_words(words, given.on("prefix"), given.on("from-key"))?;
    let serializable = is_serializable(given)?;
    let order = sort_order(given.text_of("order"))?;
    let target = sort_target(given.text_of("sort-by"))?;
    let (min_create, max_create) = bounds(given, ["min-create-rev", "max-create-rev"], "CreateRev")?;
    let (min_mod, max_mod) = bounds(given, ["min-mod-rev", "max-mod-rev"], "ModRev")?;
    // Servers answer by key in ascending order anyway; told to, they would read everything before the limit counts.
    let is_natural = target == SortTarget::Key && order == SortOrder::Ascend;
    Ok(RangeRequest {
        key,
        range_end,
        limit: given.integer_of("limit"),
        revision: given.integer_of("rev").max(0),
        sort_order: if is_natural { SortOrder::None } else { order }.into(),
        sort_target: target.into(),
        serializable,
        keys_only,
        count_only,
        min_mod_revision: min_mod,
        max_mod_revision: max_mod,
        min_create_revision: min_create,
        max_create_revision: max_create,
    })
}

/// Whether the answer may be old.
pub(crate) fn is_serializable(given: &ArgMatches) -> Result<bool, Failure> {
    match given.text_of("consistency") {
        "l" => Ok(false),
        "s" => Ok(true),
        other => {
            let text = format!("unknown consistency flag {}", quote(other.as_bytes()));
            Err(Failure::new(code::BAD_FEATURE, text))
        }
    }
}

fn sort_order(name: &str) -> Result<SortOrder, Failure> {
    match &name.to_uppercase()[..] {
        "" => Ok(SortOrder::None),
        "ASCEND" => Ok(SortOrder::Ascend),
        "DESCEND" => Ok(SortOrder::Descend),
        _ => Err(Failure::new(code::BAD_FEATURE, format!("bad sort order {name}"))),
    }
}

fn sort_target(name: &str) -> Result<SortTarget, Failure> {
    match &name.to_uppercase()[..] {
        "" | "KEY" => Ok(SortTarget::Key),
        "CREATE" => Ok(SortTarget::Create),
        "MODIFY" => Ok(SortTarget::Mod),
        "VALUE" => Ok(SortTarget::Value),
        "VERSION" => Ok(SortTarget::Version),
        _ => Err(Failure::new(code::BAD_FEATURE, format!("bad sort target {name}"))),
    }
}

/// A lower and an upper bound; what is not positive is none.
fn bounds(given: &ArgMatches, names: [&str; 2], shown: &str) -> Result<(i64, i64), Failure> {
    let [min, max] = names.map(|name| given.integer_of(name));
    if max > 0 && min > max {
        let text = format!("getMin{shown}(={min}) > getMax{shown}(={max})");
        return Err(Failure::new(code::BAD_FEATURE, text));
    }
    Ok((min.max(0), max.max(0)))
}

pub(crate) async fn run(given: &ArgMatches, settings: &Settings) -> Result<(), Failure> {
    let request = request(given)?;
    let format = settings.style.format;
    if request.count_only && format != Format::Fields {
        let text = "--count-only is only for `--write-out=fields`";
        return Err(Failure::new(code::BAD_ARGS, text));
    }
    let values_only = given.on("print-value-only");
    if values_only && format != Format::Simple {
        let text = "print-value-only is only for `--write-out=simple`";
        return Err(Failure::new(code::BAD_ARGS, text));
    }
    settings.style.check::<Found>()?;
    let client = settings.client()?;
    let response = if given.on("stream") {
        client.range_stream(request).await
    } else {
        client.range(request).await
    };
    let response = response.map_err(|error| Failure::call(code::ERROR, &error))?;
    settings
        .style
        .render(&Found {
            response,
            values_only,
        })
        .print()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::testing::{bytes, given};

    fn asked(words: &[&str]) -> Result<RangeRequest, Failure> {
        request(&given(command(), words))
    }

    #[test]
    fn flags_become_fields_of_the_request() {
        let request = asked(&[
            "get",
            "a",
            "--rev=7",
            "c",
            "--limit",
            "5",
            "--order=descend",
            "--sort-by=MODIFY",
            "--consistency=s",
            "--keys-only",
            "--min-create-rev=1",
            "--max-create-rev=2",
            "--min-mod-rev=3",
            "--max-mod-rev=4",
        ]);
        let want = RangeRequest {
            key: bytes("a"),
            range_end: bytes("c"),
            limit: 5,
            revision: 7,
            sort_order: SortOrder::Descend.into(),
            sort_target: SortTarget::Mod.into(),
            serializable: true,
            keys_only: true,
            count_only: false,
            min_mod_revision: 3,
            max_mod_revision: 4,
            min_create_revision: 1,
            max_create_revision: 2,
        };
        assert_eq!(request, Ok(want));
    }

    #[test]
    fn the_natural_order_is_not_asked_for() {
        let request = asked(&["get", "a", "--order=ASCEND"]).unwrap();
        assert_eq!(request.sort_order, i32::from(SortOrder::None));
        let request = asked(&["get", "a", "--order=ASCEND", "--sort-by=value"]).unwrap();
        assert_eq!(request.sort_order, i32::from(SortOrder::Ascend));
    }

    #[test]
    fn numbers_below_zero_are_as_good_as_none() {
        let request = asked(&["get", "a", "--rev=-1", "--min-mod-rev", "-5"]).unwrap();
        assert_eq!((request.revision, request.min_mod_revision), (0, 0));
    }

    #[test]
    fn what_follows_two_dashes_is_a_key_whatever_it_looks_like() {
        let request = asked(&["get", "--", "--prefix"]).unwrap();
        assert_eq!(request.key, bytes("--prefix"));
    }

    #[test]
    fn flags_that_make_no_sense_are_refused() {
        for (words, exit, text) in [
            (
                &["get"][..],
                code::BAD_ARGS,
                "get command needs one argument as key and an optional argument as range_end",
            ),
            (
                &["get", "a", "--keys-only", "--count-only"],
                code::BAD_ARGS,
                "`--keys-only` and `--count-only` cannot be set at the same time, choose one",
            ),
            (
                &["get", "a", "--order=foo"],
                code::BAD_FEATURE,
                "bad sort order foo",
            ),
            (
                &["get", "a", "--sort-by=foo"],
                code::BAD_FEATURE,
                "bad sort target foo",
            ),
            (
                &["get", "a", "--consistency=x"],
                code::BAD_FEATURE,
                "unknown consistency flag \"x\"",
            ),
            (
                &["get", "a", "--min-create-rev=5", "--max-create-rev=3"],
                code::BAD_FEATURE,
                "getMinCreateRev(=5) > getMaxCreateRev(=3)",
            ),
        ] {
            assert_eq!(asked(words), Err(Failure::new(exit, text)), "{words:?}");
        }
    }
}
