//! Kinds of arguments, and how to get at what was given for them.

use std::os::unix::ffi::OsStringExt;

use bytes::Bytes;
use clap::builder::{OsStringValueParser, TypedValueParser, ValueParser};
use clap::parser::ValueSource;
use clap::{Arg, ArgAction, ArgMatches};

use crate::text::{duration, number};

/// A flag that is on or off: `--name`, `--name=true`, `--name=false`.
pub(crate) fn switch(name: &'static str, help: &'static str) -> Arg {
    Arg::new(name)
        .long(name)
        .help(help)
        .action(ArgAction::Set)
        .value_name("BOOL")
        .num_args(0..=1)
        .require_equals(true)
        .value_parser(ValueParser::new(boolean))
        .default_value("false")
        .default_missing_value("true")
        .hide_default_value(true)
        .hide_possible_values(true)
}

/// A flag with a text.
pub(crate) fn text(name: &'static str, help: &'static str) -> Arg {
    with_value(name, "TEXT", help, ValueParser::string()).default_value("")
}

/// A flag with a number, 0 unless given.
pub(crate) fn integer(name: &'static str, help: &'static str) -> Arg {
    with_value(name, "NUMBER", help, ValueParser::new(number::decimal)).default_value("0")
}

/// A flag with a duration.
pub(crate) fn duration(name: &'static str, default: &'static str, help: &'static str) -> Arg {
    with_value(name, "DURATION", help, ValueParser::new(duration::parse))
        .default_value(default)
        .hide_default_value(false)
}

fn with_value(
    name: &'static str,
    shown: &'static str,
    help: &'static str,
    parser: impl Into<ValueParser>,
) -> Arg {
    Arg::new(name)
        .long(name)
        .help(help)
        .value_name(shown)
        .action(ArgAction::Set)
        .allow_hyphen_values(true)
        .value_parser(parser)
        .hide_default_value(true)
}

/// Any number of words, which the command's usage line explains; how many make sense is for the command to say.
pub(crate) fn words() -> Arg {
    Arg::new("words")
        .hide(true)
        .action(ArgAction::Append)
        .num_args(0..)
        .value_parser(OsStringValueParser::new().map(|word| Bytes::from(word.into_vec())))
}

fn boolean(text: &str) -> Result<bool, String> {
    match text {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Ok(true),
        "0" | "f" | "F" | "false" | "FALSE" | "False" => Ok(false),
        _ => Err(number::failed("ParseBool", text, "invalid syntax")),
    }
}

/// Whether a flag was given, and not left at its default.
pub(crate) fn on_command_line(given: &ArgMatches, name: &str) -> bool {
    given.value_source(name) == Some(ValueSource::CommandLine)
}

/// What the flags hold.
pub(crate) trait Given {
    /// Whether a switch is on.
    fn on(&self, name: &str) -> bool;
    /// A text.
    fn text_of(&self, name: &str) -> &str;
    /// A number.
    fn integer_of(&self, name: &str) -> i64;
    /// The words.
    fn words_of(&self) -> Vec<Bytes>;
}

impl Given for ArgMatches {
    fn on(&self, name: &str) -> bool {
        self.get_one(name).copied().unwrap_or(false)
    }

    fn text_of(&self, name: &str) -> &str {
        self.get_one::<String>(name)
            .map(String::as_str)
            .unwrap_or_default()
    }

    fn integer_of(&self, name: &str) -> i64 {
        self.get_one(name).copied().unwrap_or(0)
    }

    fn words_of(&self) -> Vec<Bytes> {
        self.get_many::<Bytes>("words")
            .into_iter()
            .flatten()
            .cloned()
            .collect()
    }
}
