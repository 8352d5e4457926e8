//! Passwords from the terminal.

use std::io::{self, BufRead, Write};

use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcsetattr};

use crate::failure::{Failure, code};

/// Asks for a password, and does not show what is typed if that is a terminal.
///
/// # Errors
/// There is none.
pub(crate) fn ask(prompt: &str) -> Result<String, Failure> {
    let failed =
        |error: io::Error| Failure::new(code::ERROR, format!("failed during password entry: {error}"));
    print!("{prompt}");
    io::stdout().flush().map_err(failed)?;
    let hidden = Hidden::new();
    let line = read_line(&mut io::stdin().lock()).map_err(failed)?;
    drop(hidden);
    // For what was typed unseen.
    println!();
    Ok(line.trim().to_owned())
}

fn read_line(input: &mut impl BufRead) -> io::Result<String> {
    let mut line = String::new();
    match input.read_line(&mut line)? {
        0 => Err(io::Error::other("EOF")),
        _ => Ok(line),
    }
}

/// The first word of the input.
pub(crate) fn read_word() -> String {
    let mut line = String::new();
    // Without input the word is empty, which the server judges.
    let _ = io::stdin().lock().read_line(&mut line);
    line.split_whitespace().next().unwrap_or_default().to_owned()
}

/// Asks for a new password, twice.
///
/// # Errors
/// There is none, or it is another the second time.
pub(crate) fn ask_new(user: &str) -> Result<String, Failure> {
    let bad = |text: String| Failure::new(code::BAD_ARGS, text);
    let asked = |prompt: String| {
        ask(&prompt).map_err(|error| bad(format!("failed to ask password: {}", error.message())))
    };
    let first = asked(format!("Password of {user}: "))?;
    if first.is_empty() {
        return Err(bad("empty password".into()));
    }
    let second = asked(format!("Type password of {user} again for confirmation: "))?;
    if first == second {
        Ok(first)
    } else {
        Err(bad("given passwords are different".into()))
    }
}

/// Shows again what is typed when it is dropped.
struct Hidden(Option<Termios>);

impl Hidden {
    fn new() -> Self {
        let Ok(shown) = tcgetattr(io::stdin()) else {
            return Self(None);
        };
        let mut hidden = shown.clone();
        hidden.local_modes.remove(LocalModes::ECHO);
        let set = tcsetattr(io::stdin(), OptionalActions::Now, &hidden);
        Self(set.is_ok().then_some(shown))
    }
}

impl Drop for Hidden {
    fn drop(&mut self) {
        if let Some(shown) = &self.0 {
            // The terminal may be gone.
            let _ = tcsetattr(io::stdin(), OptionalActions::Now, shown);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_a_password_and_an_end_is_none() {
        let mut input = &b"one two\nthree"[..];
        assert_eq!(read_line(&mut input).unwrap(), "one two\n");
        assert_eq!(read_line(&mut input).unwrap(), "three");
        assert!(read_line(&mut input).is_err());
    }
}
