//! Watching what the lines of standard input say: `watch [options] key [range_end] [-- command]`, or `progress`.

use std::ffi::OsString;
use std::io::{BufRead, stdin};
use std::os::unix::ffi::OsStringExt;
use std::thread;

use tokio::sync::mpsc;

use super::arguments::{Defaults, asked};
use super::command;
use super::session::Session;
use crate::args::complaint;
use crate::failure::{Failure, code};
use crate::text::words::split;

/// Lines that wait until they are dealt with.
const QUEUE: usize = 16;

/// What a line wants.
#[derive(Debug, PartialEq)]
enum Wish {
    Watch(super::Asked),
    Progress,
    /// Nothing; this is what is wrong.
    Nothing(String),
}

/// Does what the lines say until there are no more of them.
///
/// # Errors
/// At the end of the input at the latest.
pub(crate) async fn run(session: &mut Session, defaults: &Defaults) -> Result<(), Failure> {
    let mut lines = read_lines()?;
    loop {
        let response = tokio::select! {
            line = lines.recv() => {
                take(session, line.unwrap_or_else(|| Err("EOF".to_owned())), defaults)?;
                None
            }
            response = session.next(), if session.is_watching() => response?,
        };
        if let Some(response) = response {
            session.show(response).await?;
        }
    }
}

fn take(session: &mut Session, line: Result<Vec<u8>, String>, defaults: &Defaults) -> Result<(), Failure> {
    let line = line.map_err(|error| {
        let text = format!("error reading watch request line: {error}");
        Failure::new(code::INVALID_INPUT, text)
    })?;
    match wish(&line, defaults)? {
        Wish::Watch(asked) => session.watch(asked),
        Wish::Progress => session.ask_for_progress(),
        Wish::Nothing(complaint) => eprintln!("{complaint}"),
    }
    Ok(())
}

/// Reads on a thread of its own, as a read cannot be given up. The thread ends with the process.
fn read_lines() -> Result<mpsc::Receiver<Result<Vec<u8>, String>>, Failure> {
    let (sender, lines) = mpsc::channel(QUEUE);
    let read = move || {
        loop {
            let mut line = Vec::new();
            let next = match stdin().lock().read_until(b'\n', &mut line) {
                Ok(_) if line.ends_with(b"\n") => {
                    line.pop();
                    Ok(line)
                }
                Ok(_) => Err("EOF".to_owned()),
                Err(error) => Err(error.to_string()),
            };
            let is_last = next.is_err();
            if sender.blocking_send(next).is_err() || is_last {
                return;
            }
        }
    };
    match thread::Builder::new().name("stdin".to_owned()).spawn(read) {
        Ok(_) => Ok(lines),
        Err(error) => Err(Failure::new(code::ERROR, format!("start thread: {error}"))),
    }
}

fn wish(line: &[u8], defaults: &Defaults) -> Result<Wish, Failure> {
    let shown = String::from_utf8_lossy(line);
    let words = split(line).map_err(|_| Failure::new(code::INVALID_INPUT, "invalid syntax"))?;
    match words.first().map(Vec::as_slice) {
        None => Ok(Wish::Nothing(format!(
            "Invalid command: {shown} (watch and progress supported)"
        ))),
        Some(b"progress") => Ok(Wish::Progress),
        Some(b"watch") if words.len() < 2 && defaults.is_empty() => {
            let complaint = format!("Invalid command {shown} (command type or key is not provided)");
            Ok(Wish::Nothing(complaint))
        }
        Some(b"watch") => watch(words, &shown, defaults),
        Some(_) => Ok(Wish::Nothing(format!(
            "Invalid command {shown} (only support watch)"
        ))),
    }
}

fn watch(words: Vec<Vec<u8>>, shown: &str, defaults: &Defaults) -> Result<Wish, Failure> {
    let is_separated = words.iter().any(|word| word == b"--");
    let words = words.into_iter().map(OsString::from_vec);
    let given = command()
        .args_override_self(true)
        .disable_help_flag(true)
        .try_get_matches_from(words)
        .map_err(|error| Failure::new(code::BAD_ARGS, complaint::text(&error)))?;
    match asked(&given, defaults, is_separated) {
        Ok(asked) => Ok(Wish::Watch(asked)),
        // The one mistake that is only found when the watcher is made, and does not end everything.
        Err(failure) if failure.message().contains("mutually exclusive") => Ok(Wish::Nothing(format!(
            "Invalid command {shown} ({})",
            failure.message()
        ))),
        Err(failure) => Err(failure),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::testing::bytes;

    fn understood(line: &str) -> Result<Wish, Failure> {
        wish(line.as_bytes(), &Defaults::default())
    }

    #[test]
    fn lines_are_watches_or_ask_for_progress() {
        let Ok(Wish::Watch(asked)) = understood("watch a 'b c' --rev 5 --prev-kv -- echo \"x y\"") else {
            panic!("no watch");
        };
        assert_eq!(
            (asked.request.key, asked.request.range_end),
            (bytes("a"), bytes("b c"))
        );
        assert_eq!((asked.request.start_revision, asked.request.prev_kv), (5, true));
        assert_eq!(asked.hook, ["echo", "x y"]);
        assert_eq!(understood("progress"), Ok(Wish::Progress));
        let defaults = Defaults::new(bytes("k"), bytes("")).unwrap();
        assert!(
            matches!(wish(b"watch", &defaults), Ok(Wish::Watch(asked)) if asked.request.key == bytes("k"))
        );
    }

    #[test]
    fn other_lines_are_complained_about() {
        for (line, want) in [
            ("", "Invalid command:  (watch and progress supported)"),
            ("foo bar", "Invalid command foo bar (only support watch)"),
            (
                "watch",
                "Invalid command watch (command type or key is not provided)",
            ),
            (
                "watch a b --prefix",
                "Invalid command watch a b --prefix (`range_end` and `--prefix` are mutually exclusive)",
            ),
        ] {
            assert_eq!(understood(line), Ok(Wish::Nothing(want.to_owned())));
        }
    }

    #[test]
    fn malformed_watches_end_the_command() {
        let refused = |text| Err(Failure::new(code::BAD_ARGS, text));
        assert_eq!(understood("watch a --foo"), refused("unknown flag: --foo"));
        let text = "bad number of arguments (found separator --, but no commands)";
        assert_eq!(understood("watch a --"), refused(text));
    }
}
