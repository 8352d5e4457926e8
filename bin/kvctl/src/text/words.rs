//! Splitting a line into words.

use crate::text::quote::take_quoted;

/// A double-quoted word with an escape that means nothing.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct BadQuoting;

/// Splits a line at white space. A word in double quotes may have Go's escapes, one in single quotes is taken as it
/// is; a quote inside of a word is part of it, one that nothing closes is left out.
pub(crate) fn split(line: &[u8]) -> Result<Vec<Vec<u8>>, BadQuoting> {
    let mut words = Vec::new();
    let mut rest = line;
    while let Some((&first, tail)) = rest.split_first() {
        rest = match first {
            b' ' | b'\t' | b'\n' | b'\r' | b'\x0c' => tail,
            b'"' => match closing_quote(tail) {
                Some(length) => {
                    let (word, _) = take_quoted(&rest[..length + 2]).ok_or(BadQuoting)?;
                    words.push(word);
                    &rest[length + 2..]
                }
                None => tail,
            },
            b'\'' => match tail.iter().position(|&byte| byte == b'\'') {
                Some(length) => {
                    words.push(tail[..length].to_vec());
                    &tail[length + 1..]
                }
                None => tail,
            },
            _ => {
                let length = rest.iter().position(|byte| is_space(*byte)).unwrap_or(rest.len());
                words.push(rest[..length].to_vec());
                &rest[length..]
            }
        };
    }
    Ok(words)
}

fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'\r' | b'\x0c')
}

/// Where the quote is that ends the text; one behind a backslash does not.
fn closing_quote(text: &[u8]) -> Option<usize> {
    let mut at = 0;
    loop {
        match text.get(at)? {
            b'"' => return Some(at),
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(line: &str, want: &[&str]) {
        let want: Vec<Vec<u8>> = want.iter().map(|word| word.as_bytes().to_vec()).collect();
        assert_eq!(split(line.as_bytes()), Ok(want), "{line}");
    }

    #[test]
    fn words_end_at_spaces_outside_of_quotes() {
        check("put key1 value1", &["put", "key1", "value1"]);
        check("  put\tkey1  value1 ", &["put", "key1", "value1"]);
        check(r#"put "a b" 'c d'"#, &["put", "a b", "c d"]);
        check(r#"put '' """#, &["put", "", ""]);
        check("", &[]);
    }

    #[test]
    fn escapes_mean_something_in_double_quotes_only() {
        check(r#"put "a\t\"b\"" 'a\t'"#, &["put", "a\t\"b\"", r"a\t"]);
        assert_eq!(split(br#"put "\q""#), Err(BadQuoting));
    }

    #[test]
    fn quotes_inside_of_words_are_kept_and_open_ones_left_out() {
        check(r#"get k --order="x y""#, &["get", "k", r#"--order="x"#, r#"y""#]);
        check(r#"put "a b"#, &["put", "a", "b"]);
        check("put 'a b", &["put", "a", "b"]);
    }
}
