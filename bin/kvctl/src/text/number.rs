//! Integers on the command line: an optional sign and digits, of 64 bits.

use std::fmt::Display;
use std::num::IntErrorKind;
use std::num::ParseIntError;

use crate::text::quote::quote;

/// Reads a decimal number.
///
/// # Errors
/// What is wrong with it, as Go's `strconv` says it.
pub(crate) fn decimal(text: &str) -> Result<i64, String> {
    text.parse()
        .map_err(|error: ParseIntError| complaint(text, error.kind()))
}

/// Reads a hexadecimal number, without prefix: a lease ID.
///
/// # Errors
/// What is wrong with it, as Go's `strconv` says it.
pub(crate) fn hexadecimal(text: &str) -> Result<i64, String> {
    i64::from_str_radix(text, 16).map_err(|error| complaint(text, error.kind()))
}

/// Reads a hexadecimal number without sign or prefix: a member ID.
///
/// # Errors
/// What is wrong with it, as Go's `strconv` says it.
pub(crate) fn unsigned_hexadecimal(text: &str) -> Result<u64, String> {
    let signed = text.starts_with('+');
    match u64::from_str_radix(text, 16) {
        Ok(id) if !signed => Ok(id),
        Err(error) if !signed => Err(unsigned_complaint(text, error.kind())),
        _ => Err(unsigned_complaint(text, &IntErrorKind::InvalidDigit)),
    }
}

fn unsigned_complaint(text: &str, kind: &IntErrorKind) -> String {
    failed("ParseUint", text, reason(kind))
}

fn complaint(text: &str, kind: &IntErrorKind) -> String {
    failed("ParseInt", text, reason(kind))
}

fn reason(kind: &IntErrorKind) -> &'static str {
    match kind {
        IntErrorKind::PosOverflow | IntErrorKind::NegOverflow => "value out of range",
        _ => "invalid syntax",
    }
}

/// How Go's `strconv` words an error.
pub(crate) fn failed(function: &str, text: &str, reason: impl Display) -> String {
    format!("strconv.{function}: parsing {}: {reason}", quote(text.as_bytes()))
}

/// Sixteen hexadecimal digits, with a sign that takes the place of one.
pub(crate) fn padded_hex(id: i64) -> String {
    if id < 0 {
        format!("-{:015x}", id.unsigned_abs())
    } else {
        format!("{id:016x}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_and_refused_as_go_does() {
        assert_eq!(decimal("-12"), Ok(-12));
        assert_eq!(decimal("+12"), Ok(12));
        assert_eq!(
            decimal("x").unwrap_err(),
            r#"strconv.ParseInt: parsing "x": invalid syntax"#
        );
        assert_eq!(
            decimal("").unwrap_err(),
            r#"strconv.ParseInt: parsing "": invalid syntax"#
        );
        assert_eq!(hexadecimal("12c8a1fc9a884926"), Ok(0x12c8_a1fc_9a88_4926));
        assert_eq!(
            hexadecimal("99999999999999999999").unwrap_err(),
            r#"strconv.ParseInt: parsing "99999999999999999999": value out of range"#
        );
    }

    #[test]
    fn member_ids_have_no_sign() {
        assert_eq!(unsigned_hexadecimal("ffffffffffffffff"), Ok(u64::MAX));
        for (text, reason) in [
            ("+1", "invalid syntax"),
            ("-1", "invalid syntax"),
            ("", "invalid syntax"),
            ("10000000000000000", "value out of range"),
        ] {
            let want = format!("strconv.ParseUint: parsing \"{text}\": {reason}");
            assert_eq!(unsigned_hexadecimal(text), Err(want));
        }
    }

    #[test]
    fn lease_ids_have_sixteen_places() {
        assert_eq!(padded_hex(0x123), "0000000000000123");
        assert_eq!(padded_hex(-1), "-000000000000001");
    }
}
