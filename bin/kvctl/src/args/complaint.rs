//! What is wrong with a command line, in the words of the library that etcdctl is built on.

use std::error::Error as _;
use std::process::ExitCode;

use clap::Error;
use clap::error::{ContextKind, ContextValue, ErrorKind};

use crate::failure::code;
use crate::text::quote::quote;

/// Prints help, or what is wrong.
pub(crate) fn answer(error: &Error) -> ExitCode {
    match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => {
            print!("{}", error.render());
            ExitCode::SUCCESS
        }
        ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => {
            print!("{}", error.render());
            ExitCode::SUCCESS
        }
        ErrorKind::MissingSubcommand => {
            print!("{}", super::cli().render_help());
            ExitCode::SUCCESS
        }
        _ => {
            eprintln!("Error: {}", text(error));
            match error.get(ContextKind::Usage) {
                Some(usage) => eprintln!("{usage}"),
                None => eprintln!("Run 'kvctl --help' for usage."),
            }
            ExitCode::from(code::ERROR)
        }
    }
}

/// What is wrong, in one line.
pub(crate) fn text(error: &Error) -> String {
    let context = |kind| match error.get(kind) {
        Some(ContextValue::String(text)) => text.clone(),
        _ => String::new(),
    };
    let argument = context(ContextKind::InvalidArg);
    let flag = flag_alone(&argument);
    match error.kind() {
        ErrorKind::InvalidSubcommand => {
            let command = context(ContextKind::InvalidSubcommand);
            format!("unknown command {} for \"kvctl\"", quote(command.as_bytes()))
        }
        ErrorKind::UnknownArgument => match argument.strip_prefix('-') {
            Some(long) if long.starts_with('-') => format!("unknown flag: {flag}"),
            Some(short) => {
                let letter = short.chars().next().unwrap_or('-');
                format!("unknown shorthand flag: '{letter}' in {argument}")
            }
            None => format!("unexpected argument: {argument}"),
        },
        ErrorKind::InvalidValue if context(ContextKind::InvalidValue).is_empty() => {
            format!("flag needs an argument: {flag}")
        }
        ErrorKind::ValueValidation | ErrorKind::InvalidValue => {
            let value = context(ContextKind::InvalidValue);
            let reason = error.source().map(ToString::to_string).unwrap_or_default();
            format!(
                "invalid argument {} for \"{flag}\" flag: {reason}",
                quote(value.as_bytes())
            )
        }
        _ => {
            let rendered = error.render().to_string();
            let first = rendered.lines().next().unwrap_or_default();
            first.trim_start_matches("error: ").to_owned()
        }
    }
}

/// The flag without its value: `--rev <REV>` is `--rev`.
fn flag_alone(argument: &str) -> &str {
    let end = argument.find([' ', '=', '[']).unwrap_or(argument.len());
    &argument[..end]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args::cli;

    #[track_caller]
    fn check(line: &str, want: &str) {
        let error = cli().try_get_matches_from(line.split(' ')).unwrap_err();
        assert_eq!(text(&error), want, "{line}");
    }

    #[test]
    fn a_wrong_command_line_is_named_as_etcdctl_names_it() {
        check("kvctl foo", r#"unknown command "foo" for "kvctl""#);
        check("kvctl get a --foo", "unknown flag: --foo");
        check("kvctl get a -q", "unknown shorthand flag: 'q' in -q");
        check("kvctl get a --limit", "flag needs an argument: --limit");
        check(
            "kvctl get a --rev abc",
            r#"invalid argument "abc" for "--rev" flag: strconv.ParseInt: parsing "abc": invalid syntax"#,
        );
        check(
            "kvctl get a --prefix=maybe",
            r#"invalid argument "maybe" for "--prefix" flag: strconv.ParseBool: parsing "maybe": invalid syntax"#,
        );
        check(
            "kvctl get a --dial-timeout=5",
            r#"invalid argument "5" for "--dial-timeout" flag: time: missing unit in duration "5""#,
        );
    }

    #[test]
    fn commands_are_known_by_any_beginning_that_is_theirs_alone() {
        for line in [
            "kvctl compact 3",
            "kvctl member l",
            "kvctl endp stat",
            "kvctl le keep 1",
        ] {
            assert!(cli().try_get_matches_from(line.split(' ')).is_ok(), "{line}");
        }
        check("kvctl endpoint h", r#"unknown command "h" for "kvctl""#);
    }
}
