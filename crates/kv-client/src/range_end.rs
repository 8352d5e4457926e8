use bytes::Bytes;

/// As `range_end`: every key from `key` on.
pub const FROM_KEY: &[u8] = b"\0";

/// The `range_end` that selects every key with this prefix; for an empty one `key` must be [`FROM_KEY`] too.
pub fn prefix_end(prefix: &[u8]) -> Bytes {
    let mut end = prefix.to_vec();
    while let Some(last) = end.pop() {
        if let Some(next) = last.checked_add(1) {
            end.push(next);
            return end.into();
        }
    }
    Bytes::from_static(FROM_KEY)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prefix_end_is_the_first_key_behind_the_prefix() {
        assert_eq!(&prefix_end(b"a")[..], b"b");
        assert_eq!(&prefix_end(b"a\xff")[..], b"b");
        assert_eq!(&prefix_end(b"a\xfe")[..], b"a\xff");
        assert_eq!(&prefix_end(b"\xff\xff")[..], FROM_KEY);
        assert_eq!(&prefix_end(b"")[..], FROM_KEY);
    }
}
