//! Durations as Go writes them: `1m30s`, `1.5h`, `1.559074ms`.

use std::time::Duration;

use crate::text::quote::quote;

const NANOS_PER_SECOND: u128 = 1_000_000_000;

/// Reads a duration: numbers with units, added up.
///
/// # Errors
/// What is wrong with it.
pub(crate) fn parse(text: &str) -> Result<Duration, String> {
    let invalid = || format!("time: invalid duration {}", quote(text.as_bytes()));
    let unsigned = text.strip_prefix('+').unwrap_or(text);
    if unsigned.starts_with('-') {
        return Err(format!("duration {} is negative", quote(text.as_bytes())));
    }
    if unsigned == "0" {
        return Ok(Duration::ZERO);
    }
    if unsigned.is_empty() {
        return Err(invalid());
    }
    let mut rest = unsigned;
    let mut nanos = 0_u128;
    while !rest.is_empty() {
        let number = leading(rest, |char| char.is_ascii_digit() || char == '.');
        rest = &rest[number.len()..];
        let unit = leading(rest, |char| !char.is_ascii_digit() && char != '.');
        rest = &rest[unit.len()..];
        if !number.contains(|char: char| char.is_ascii_digit()) {
            return Err(invalid());
        }
        let scale = match unit {
            "" => {
                return Err(format!(
                    "time: missing unit in duration {}",
                    quote(text.as_bytes())
                ));
            }
            "ns" => 1,
            "us" | "µs" | "μs" => 1_000,
            "ms" => 1_000_000,
            "s" => NANOS_PER_SECOND,
            "m" => 60 * NANOS_PER_SECOND,
            "h" => 3600 * NANOS_PER_SECOND,
            _ => {
                return Err(format!(
                    "time: unknown unit {} in duration {}",
                    quote(unit.as_bytes()),
                    quote(text.as_bytes())
                ));
            }
        };
        nanos = scaled(number, scale)
            .and_then(|part| nanos.checked_add(part))
            .ok_or_else(invalid)?;
    }
    // Go counts nanoseconds in 63 bits.
    match i64::try_from(nanos) {
        Ok(nanos) => Ok(Duration::from_nanos(nanos.unsigned_abs())),
        Err(_) => Err(invalid()),
    }
}

fn leading(text: &str, mut take: impl FnMut(char) -> bool) -> &str {
    &text[..text.find(|char| !take(char)).unwrap_or(text.len())]
}

/// A decimal number times the scale; digits too small to count are cut off.
fn scaled(number: &str, scale: u128) -> Option<u128> {
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if fraction.contains('.') {
        return None;
    }
    let whole: u128 = if whole.is_empty() { 0 } else { whole.parse().ok()? };
    let mut total = whole.checked_mul(scale)?;
    let mut place = scale;
    for digit in fraction.bytes() {
        place /= 10;
        total = total.checked_add(u128::from(digit - b'0') * place)?;
    }
    Some(total)
}

/// Writes a duration with as many digits as it has.
pub(crate) fn human(duration: Duration) -> String {
    let nanos = duration.as_nanos();
    match nanos {
        0 => "0s".to_owned(),
        1..1_000 => format!("{nanos}ns"),
        1_000..1_000_000 => format!("{}µs", decimal(nanos, 1_000)),
        1_000_000..NANOS_PER_SECOND => format!("{}ms", decimal(nanos, 1_000_000)),
        _ => {
            let minutes = nanos / (60 * NANOS_PER_SECOND);
            let seconds = decimal(nanos % (60 * NANOS_PER_SECOND), NANOS_PER_SECOND);
            match (minutes / 60, minutes % 60) {
                (0, 0) => format!("{seconds}s"),
                (0, minutes) => format!("{minutes}m{seconds}s"),
                (hours, minutes) => format!("{hours}h{minutes}m{seconds}s"),
            }
        }
    }
}

fn decimal(nanos: u128, unit: u128) -> String {
    let places = unit.ilog10() as usize;
    let text = format!("{}.{:0places$}", nanos / unit, nanos % unit);
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_as_go_reads_them() {
        for (text, nanos) in [
            ("0", 0),
            ("2s", 2_000_000_000),
            ("+5s", 5_000_000_000),
            ("100ms", 100_000_000),
            ("1m30s", 90_000_000_000),
            ("1.5h", 5_400_000_000_000),
            (".5s", 500_000_000),
            ("1.s", 1_000_000_000),
            ("3µs7ns", 3_007),
            ("0.0000000001s", 0),
        ] {
            assert_eq!(parse(text), Ok(Duration::from_nanos(nanos)), "{text}");
        }
    }

    #[test]
    fn malformed_durations_are_refused_with_the_reason() {
        for (text, want) in [
            ("", r#"time: invalid duration """#),
            ("5", r#"time: missing unit in duration "5""#),
            ("abc", r#"time: invalid duration "abc""#),
            ("5x", r#"time: unknown unit "x" in duration "5x""#),
            ("1.2.3s", r#"time: invalid duration "1.2.3s""#),
            (".s", r#"time: invalid duration ".s""#),
            ("9999999h", r#"time: invalid duration "9999999h""#),
            ("-1s", r#"duration "-1s" is negative"#),
        ] {
            assert_eq!(parse(text).unwrap_err(), want, "{text}");
        }
    }

    #[test]
    fn durations_are_written_as_go_writes_them() {
        for (nanos, want) in [
            (0, "0s"),
            (7, "7ns"),
            (1_500, "1.5µs"),
            (1_559_074, "1.559074ms"),
            (5_000_000_000, "5s"),
            (1_000_331_406, "1.000331406s"),
            (90_000_000_000, "1m30s"),
            (3_600_000_000_000, "1h0m0s"),
        ] {
            assert_eq!(human(Duration::from_nanos(nanos)), want);
        }
    }
}
