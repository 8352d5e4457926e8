//! Comparisons: `mod("key") > "0"`.

use bytes::Bytes;
use kv_client::kv_proto::etcdserverpb::Compare;
use kv_client::kv_proto::etcdserverpb::compare::{CompareResult, CompareTarget, TargetUnion};

use crate::text::number::{decimal, hexadecimal};
use crate::text::quote::{quote, take_quoted};

/// What was read of a comparison before it ended or went wrong.
#[derive(Default)]
struct Parts {
    key: Vec<u8>,
    operator: Vec<u8>,
    value: Vec<u8>,
}

/// Reads a comparison.
///
/// # Errors
/// What is wrong with it.
pub(crate) fn parse(line: &[u8]) -> Result<Compare, String> {
    let shown = String::from_utf8_lossy(line);
    let Some(open) = line.iter().position(|&byte| byte == b'(') else {
        return Err(format!("malformed comparison: {shown}"));
    };
    let target = String::from_utf8_lossy(&line[..open]);
    let mut parts = Parts::default();
    if split(&line[open + 1..], &mut parts).is_none() {
        return Err(format!(
            "malformed comparison: {shown}; got {target}({}) {} {}",
            quote(&parts.key),
            String::from_utf8_lossy(&parts.operator),
            quote(&parts.value)
        ));
    }
    let result = match &parts.operator[..] {
        b"=" => CompareResult::Equal,
        b"!=" => CompareResult::NotEqual,
        b"<" => CompareResult::Less,
        b">" => CompareResult::Greater,
        other => {
            let other = String::from_utf8_lossy(other);
            return Err(format!(
                "malformed comparison: {shown} (unknown operator {other})"
            ));
        }
    };
    let value = String::from_utf8_lossy(&parts.value);
    let number = || decimal(&value).map_err(|_| format!("invalid txn compare request: {shown}"));
    let lease = || hexadecimal(&value).map_err(|_| format!("invalid txn compare request: {shown}"));
    let (target, union) = match &target[..] {
        "ver" | "version" => (CompareTarget::Version, TargetUnion::Version(number()?)),
        "c" | "create" => (CompareTarget::Create, TargetUnion::CreateRevision(number()?)),
        "m" | "mod" => (CompareTarget::Mod, TargetUnion::ModRevision(number()?)),
        "val" | "value" => (
            CompareTarget::Value,
            TargetUnion::Value(parts.value.clone().into()),
        ),
        "lease" => (CompareTarget::Lease, TargetUnion::Lease(lease()?)),
        _ => return Err(format!("malformed comparison: {shown} (unknown target {target})")),
    };
    Ok(Compare {
        result: result.into(),
        target: target.into(),
        key: parts.key.into(),
        range_end: Bytes::new(),
        target_union: Some(union),
    })
}

/// Splits `"key") op "value"`; there must be space around the operator, and what follows does not matter.
fn split(text: &[u8], parts: &mut Parts) -> Option<()> {
    let (key, rest) = take_quoted(text)?;
    parts.key = key;
    let rest = rest.strip_prefix(b")")?;
    let rest = after_space(rest)?;
    let length = rest
        .iter()
        .position(u8::is_ascii_whitespace)
        .unwrap_or(rest.len());
    if length == 0 {
        return None;
    }
    parts.operator = rest[..length].to_vec();
    let (value, _) = take_quoted(after_space(&rest[length..])?)?;
    parts.value = value;
    Some(())
}

fn after_space(text: &[u8]) -> Option<&[u8]> {
    let rest = text.trim_ascii_start();
    (rest.len() < text.len()).then_some(rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(line: &str, result: CompareResult, target: CompareTarget, union: TargetUnion) {
        let want = Compare {
            result: result.into(),
            target: target.into(),
            key: "k\"ey".into(),
            range_end: Bytes::new(),
            target_union: Some(union),
        };
        assert_eq!(parse(line.as_bytes()), Ok(want), "{line}");
    }

    #[test]
    fn every_target_has_a_long_and_a_short_name() {
        use CompareResult::{Equal, Greater, Less, NotEqual};
        for name in ["ver", "version"] {
            let line = format!(r#"{name}("k\"ey") = "3""#);
            check(&line, Equal, CompareTarget::Version, TargetUnion::Version(3));
        }
        for name in ["c", "create"] {
            let line = format!(r#"{name}( "k\"ey")   >  "3""#);
            check(
                &line,
                Greater,
                CompareTarget::Create,
                TargetUnion::CreateRevision(3),
            );
        }
        for name in ["m", "mod"] {
            let line = format!(r#"{name}(`k"ey`) < `-3` and so on"#);
            check(&line, Less, CompareTarget::Mod, TargetUnion::ModRevision(-3));
        }
        for name in ["val", "value"] {
            let line = format!(r#"{name}("k\"ey") != "x\ny""#);
            check(
                &line,
                NotEqual,
                CompareTarget::Value,
                TargetUnion::Value("x\ny".into()),
            );
        }
        check(
            r#"lease("k\"ey") = "1f""#,
            Equal,
            CompareTarget::Lease,
            TargetUnion::Lease(0x1f),
        );
    }

    #[test]
    fn malformed_comparisons_are_refused_with_what_was_understood() {
        for (line, want) in [
            ("foo", "malformed comparison: foo"),
            (
                r#"mod("a")="0""#,
                r#"malformed comparison: mod("a")="0"; got mod("a")  """#,
            ),
            (
                r#"mod("a") = 0"#,
                r#"malformed comparison: mod("a") = 0; got mod("a") = """#,
            ),
            (
                r#"mod("a") ="#,
                r#"malformed comparison: mod("a") =; got mod("a") = """#,
            ),
            (
                r#"mod("a" ) = "0""#,
                r#"malformed comparison: mod("a" ) = "0"; got mod("a")  """#,
            ),
            (
                r#"mod(a) = "0""#,
                r#"malformed comparison: mod(a) = "0"; got mod("")  """#,
            ),
            (
                r#"val("a") = "1\x""#,
                r#"malformed comparison: val("a") = "1\x"; got val("a") = """#,
            ),
            (
                r#"foo("a") = "0""#,
                r#"malformed comparison: foo("a") = "0" (unknown target foo)"#,
            ),
            (
                r#"mod ("a") != "0""#,
                r#"malformed comparison: mod ("a") != "0" (unknown target mod )"#,
            ),
            (
                r#"mod("a") == "0""#,
                r#"malformed comparison: mod("a") == "0" (unknown operator ==)"#,
            ),
            (
                r#"mod("a") = "x""#,
                r#"invalid txn compare request: mod("a") = "x""#,
            ),
        ] {
            assert_eq!(parse(line.as_bytes()).unwrap_err(), want);
        }
    }
}
