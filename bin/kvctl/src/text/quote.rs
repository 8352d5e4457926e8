//! Go's quoted strings.

use std::fmt::Write as _;

/// Quotes bytes as Go's `%q`: what can be printed stays, the rest is escaped, byte by byte where it is not UTF-8.
pub(crate) fn quote(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len() + 2);
    text.push('"');
    for chunk in bytes.utf8_chunks() {
        for char in chunk.valid().chars() {
            push_escaped(&mut text, char);
        }
        for byte in chunk.invalid() {
            push_byte(&mut text, u32::from(*byte));
        }
    }
    text.push('"');
    text
}

fn push_escaped(text: &mut String, char: char) {
    match char {
        '"' => text.push_str("\\\""),
        '\\' => text.push_str("\\\\"),
        '\x07' => text.push_str("\\a"),
        '\x08' => text.push_str("\\b"),
        '\x0c' => text.push_str("\\f"),
        '\n' => text.push_str("\\n"),
        '\r' => text.push_str("\\r"),
        '\t' => text.push_str("\\t"),
        '\x0b' => text.push_str("\\v"),
        ' '..='~' => text.push(char),
        '\0'..' ' | '\x7f' => push_byte(text, u32::from(char)),
        _ if is_printable(char) => text.push(char),
        _ => {
            let number = u32::from(char);
            let escape = if number < 0x1_0000 {
                format!("\\u{number:04x}")
            } else {
                format!("\\U{number:08x}")
            };
            text.push_str(&escape);
        }
    }
}

fn push_byte(text: &mut String, byte: u32) {
    // Writing to a string cannot fail.
    let _ = write!(text, "\\x{byte:02x}");
}

/// Letters, marks, numbers, punctuation and symbols. The standard library shows its table of them through
/// `escape_debug`, which also escapes a mark unless something stands before it.
fn is_printable(char: char) -> bool {
    let mut pair = [0; 8];
    pair[0] = b'a';
    let length = 1 + char.encode_utf8(&mut pair[1..]).len();
    let escaped = std::str::from_utf8(&pair[..length]).map(|text| text.escape_debug().nth(1) != Some('\\'));
    escaped.unwrap_or(false)
}

/// Reads one quoted string, after spaces: in double quotes with escapes, or in back quotes without.
/// Returns it with what follows it; `None` if there is none.
pub(crate) fn take_quoted(input: &[u8]) -> Option<(Vec<u8>, &[u8])> {
    let (&quote, mut rest) = input.trim_ascii_start().split_first()?;
    let mut text = Vec::new();
    match quote {
        b'`' => {
            let end = rest.iter().position(|&byte| byte == b'`')?;
            Some((rest[..end].to_vec(), &rest[end + 1..]))
        }
        b'"' => loop {
            let (&byte, tail) = rest.split_first()?;
            rest = match byte {
                b'"' => return Some((text, tail)),
                b'\n' => return None,
                b'\\' => take_escape(tail, &mut text)?,
                _ => {
                    text.push(byte);
                    tail
                }
            };
        },
        _ => None,
    }
}

/// Reads what follows a backslash.
fn take_escape<'a>(input: &'a [u8], text: &mut Vec<u8>) -> Option<&'a [u8]> {
    let (&letter, rest) = input.split_first()?;
    let plain = match letter {
        b'a' => b'\x07',
        b'b' => b'\x08',
        b'f' => b'\x0c',
        b'n' => b'\n',
        b'r' => b'\r',
        b't' => b'\t',
        b'v' => b'\x0b',
        b'\\' | b'"' => letter,
        b'0'..=b'7' => {
            let (number, rest) = take_number(input, 3, 8)?;
            text.push(u8::try_from(number).ok()?);
            return Some(rest);
        }
        b'x' => {
            let (number, rest) = take_number(rest, 2, 16)?;
            text.push(u8::try_from(number).ok()?);
            return Some(rest);
        }
        b'u' | b'U' => {
            let (number, rest) = take_number(rest, if letter == b'u' { 4 } else { 8 }, 16)?;
            let char = char::from_u32(number)?;
            text.extend_from_slice(char.encode_utf8(&mut [0; 4]).as_bytes());
            return Some(rest);
        }
        _ => return None,
    };
    text.push(plain);
    Some(rest)
}

fn take_number(input: &[u8], digits: usize, radix: u32) -> Option<(u32, &[u8])> {
    let (number, rest) = input.split_at_checked(digits)?;
    let number = std::str::from_utf8(number).ok()?;
    if number.starts_with('+') {
        return None;
    }
    Some((u32::from_str_radix(number, radix).ok()?, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_can_be_printed_stays_and_the_rest_is_escaped() {
        for (bytes, want) in [
            (&b"foo"[..], r#""foo""#),
            (b"a\"b\\c", r#""a\"b\\c""#),
            (b"\x07\x08\x0c\n\r\t\x0b", r#""\a\b\f\n\r\t\v""#),
            (b"\x00\x1f\x7f", r#""\x00\x1f\x7f""#),
            ("é€😀".as_bytes(), "\"é€😀\""),
            ("e\u{301}".as_bytes(), "\"e\u{301}\""),
            ("\u{301}".as_bytes(), "\"\u{301}\""),
            (
                "\u{ad}\u{200b}\u{a0}\u{2028}".as_bytes(),
                r#""\u00ad\u200b\u00a0\u2028""#,
            ),
            ("\u{e000}\u{f0000}".as_bytes(), r#""\ue000\U000f0000""#),
            (b"a\xff\xc3", r#""a\xff\xc3""#),
            ("\u{fffd}".as_bytes(), "\"\u{fffd}\""),
        ] {
            assert_eq!(quote(bytes), want);
        }
    }

    #[test]
    fn quoted_strings_are_read_with_their_escapes() {
        for (input, want, rest) in [
            (r#""foo") = "1""#, &b"foo"[..], ") = \"1\""),
            (r#"  "a\tb\\\"c""#, b"a\tb\\\"c", ""),
            (r#""\x41\101\u00e9\U0001f600""#, "AAé😀".as_bytes(), ""),
            (r#""\xff\377""#, b"\xff\xff", ""),
            (r"`a\tb`!", br"a\tb", "!"),
        ] {
            assert_eq!(
                take_quoted(input.as_bytes()),
                Some((want.to_vec(), rest.as_bytes())),
                "{input}"
            );
        }
    }

    #[test]
    fn malformed_strings_are_refused() {
        for input in [
            "",
            "foo",
            r#""foo"#,
            r#""\q""#,
            r#""\x4""#,
            r#""\400""#,
            r#""\ud800""#,
            r#""\'""#,
            "`a",
            r#""\x+1""#,
        ] {
            assert_eq!(take_quoted(input.as_bytes()), None, "{input}");
        }
    }

    #[test]
    fn quoting_and_reading_are_inverse() {
        let bytes: Vec<u8> = (0..=255).chain("äöü\u{200b}😀".bytes()).collect();
        assert_eq!(take_quoted(quote(&bytes).as_bytes()), Some((bytes, &b""[..])));
    }
}
