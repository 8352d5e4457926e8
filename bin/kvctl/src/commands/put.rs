use std::io::Read;

use bytes::Bytes;
use clap::{ArgMatches, Command};
use kv_client::kv_proto::etcdserverpb::PutRequest;

use crate::args::flag::{Given, switch, text, words};
use crate::args::global::Settings;
use crate::failure::{Failure, code};
use crate::print::Stored;
use crate::text::number::hexadecimal;

const WORDS_NEEDED: &str = "put command needs 1 argument and input from stdin or 2 arguments";

pub(crate) fn command() -> Command {
    Command::new("put")
        .about("Gives a key a value")
        .override_usage("kvctl put [OPTIONS] KEY [VALUE]")
        .after_help(
            "Without VALUE, all of standard input is the value.\n\
             What begins with '-' needs '--' before it: kvctl put KEY -- -5",
        )
        .args([
            words(),
            switch("ignore-lease", "Keep the lease the key has"),
            switch("ignore-value", "Keep the value the key has"),
            text("lease", "The lease to attach the key to (an ID in hexadecimal)").default_value("0"),
            switch("prev-kv", "Print what was there before"),
        ])
}

/// The request that put stands for, also in a transaction; `input` is read if the value is not among the words.
pub(crate) fn request(given: &ArgMatches, input: &mut dyn Read) -> Result<PutRequest, Failure> {
    let mut words = given.words_of().into_iter();
    let Some(key) = words.next() else {
        return Err(Failure::new(code::BAD_ARGS, WORDS_NEEDED));
    };
    let ignore_value = given.on("ignore-value");
    let value = match words.next() {
        Some(_) if ignore_value => {
            let text = "put command needs only 1 argument when 'ignore-value' is set";
            return Err(Failure::new(code::BAD_ARGS, text));
        }
        Some(value) => value,
        None if ignore_value => Bytes::new(),
        None => read_value(input)?,
    };
    let lease = hexadecimal(given.text_of("lease")).map_err(|error| {
        Failure::new(
            code::BAD_ARGS,
            format!("bad lease ID ({error}), expecting ID in Hex"),
        )
    })?;
    Ok(PutRequest {
        key,
        value,
        lease,
        prev_kv: given.on("prev-kv"),
        ignore_value,
        ignore_lease: given.on("ignore-lease"),
    })
}

fn read_value(input: &mut dyn Read) -> Result<Bytes, Failure> {
    let mut value = Vec::new();
    match input.read_to_end(&mut value) {
        Ok(_) if !value.is_empty() => Ok(value.into()),
        _ => Err(Failure::new(code::BAD_ARGS, WORDS_NEEDED)),
    }
}

pub(crate) async fn run(given: &ArgMatches, settings: &Settings) -> Result<(), Failure> {
    settings.style.check::<Stored>()?;
    let request = request(given, &mut std::io::stdin().lock())?;
    settings.check_size(&request)?;
    let response = settings.client()?.put(request).await;
    let response = response.map_err(|error| Failure::call(code::ERROR, &error))?;
    settings.style.render(&Stored(response)).print()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::testing::{bytes, given};

    fn asked(words: &[&str], input: &str) -> Result<PutRequest, Failure> {
        request(&given(command(), words), &mut input.as_bytes())
    }

    #[test]
    fn a_value_is_a_word_or_the_whole_input() {
        assert_eq!(asked(&["put", "k", "v"], "ignored").unwrap().value, bytes("v"));
        assert_eq!(asked(&["put", "k", ""], "ignored").unwrap().value, bytes(""));
        assert_eq!(
            asked(&["put", "k"], "two\nlines\n").unwrap().value,
            bytes("two\nlines\n")
        );
        assert_eq!(asked(&["put", "k", "--", "-v"], "").unwrap().value, bytes("-v"));
        let refused = Failure::new(code::BAD_ARGS, WORDS_NEEDED);
        assert_eq!(asked(&["put", "k"], ""), Err(refused));
    }

    #[test]
    fn flags_become_fields_of_the_request() {
        let request = asked(
            &[
                "put",
                "k",
                "--ignore-value",
                "--lease=1f",
                "--prev-kv",
                "--ignore-lease",
            ],
            "",
        );
        let want = PutRequest {
            key: bytes("k"),
            value: bytes(""),
            lease: 0x1f,
            prev_kv: true,
            ignore_value: true,
            ignore_lease: true,
        };
        assert_eq!(request, Ok(want));
    }

    #[test]
    fn bad_leases_and_needless_values_are_refused() {
        let text = r#"bad lease ID (strconv.ParseInt: parsing "zz": invalid syntax), expecting ID in Hex"#;
        assert_eq!(
            asked(&["put", "k", "v", "--lease=zz"], ""),
            Err(Failure::new(code::BAD_ARGS, text))
        );
        let text = "put command needs only 1 argument when 'ignore-value' is set";
        assert_eq!(
            asked(&["put", "k", "v", "--ignore-value"], ""),
            Err(Failure::new(code::BAD_ARGS, text))
        );
    }
}
