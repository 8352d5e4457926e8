//! Which keys are meant.

use bytes::Bytes;
use kv_client::{FROM_KEY, prefix_end};

use crate::failure::{Failure, code};

/// A key and the end of a range: empty, and the key alone is meant.
pub(crate) type Range = (Bytes, Bytes);

/// The keys that begin with this one; with an empty one, all keys.
pub(crate) fn prefix(key: Bytes) -> Range {
    if key.is_empty() {
        return from(key);
    }
    let end = prefix_end(&key);
    (key, end)
}

/// The keys from this one on.
pub(crate) fn from(key: Bytes) -> Range {
    let first = Bytes::from_static(FROM_KEY);
    (if key.is_empty() { first.clone() } else { key }, first)
}

/// The keys that one or two words and the flags `--prefix` and `--from-key` stand for.
pub(crate) fn of_words(words: Vec<Bytes>, is_prefix: bool, is_from: bool) -> Result<Range, Failure> {
    let bad = |text: &str| Err(Failure::new(code::BAD_ARGS, text));
    if is_prefix && is_from {
        return bad("`--prefix` and `--from-key` cannot be set at the same time, choose one");
    }
    let mut words = words.into_iter();
    let key = words.next().unwrap_or_default();
    match words.next() {
        Some(_) if is_prefix || is_from => {
            bad("too many arguments, only accept one argument when `--prefix` or `--from-key` is set")
        }
        Some(end) => Ok((key, end)),
        None if is_prefix => Ok(prefix(key)),
        None if is_from => Ok(from(key)),
        None => Ok((key, Bytes::new())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::testing::bytes;

    #[track_caller]
    fn check(words: &[&'static str], is_prefix: bool, is_from: bool, want: (&'static str, &'static str)) {
        let words = words.iter().map(|word| bytes(word)).collect();
        let want = (bytes(want.0), bytes(want.1));
        assert_eq!(of_words(words, is_prefix, is_from), Ok(want));
    }

    #[test]
    fn words_and_flags_select_keys() {
        check(&["a"], false, false, ("a", ""));
        check(&["a", "c"], false, false, ("a", "c"));
        check(&["a"], true, false, ("a", "b"));
        check(&["a"], false, true, ("a", "\0"));
        check(&[""], true, false, ("\0", "\0"));
        check(&[""], false, true, ("\0", "\0"));
        check(&[""], false, false, ("", ""));
    }

    #[test]
    fn flags_that_exclude_each_other_are_refused() {
        assert!(of_words(vec![bytes("a")], true, true).is_err());
        assert!(of_words(vec![bytes("a"), bytes("b")], true, false).is_err());
        assert!(of_words(vec![bytes("a"), bytes("b")], false, true).is_err());
    }
}
