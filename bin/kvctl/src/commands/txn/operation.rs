//! Operations: `put key "value"`, `get key`, `del key`, with the flags of the commands.

use std::ffi::OsString;
use std::io::Read;
use std::os::unix::ffi::OsStringExt;

use clap::Command;
use kv_client::kv_proto::etcdserverpb::RequestOp;
use kv_client::kv_proto::etcdserverpb::request_op::Request;

use crate::commands::{del, get, put};
use crate::failure::{Failure, code};
use crate::text::words::split;

/// Reads an operation; a value that put is not given comes from the input.
///
/// # Errors
/// What is wrong with it.
pub(crate) async fn parse<R: Read + ?Sized>(line: &[u8], mut input: &mut R) -> Result<RequestOp, Failure> {
    let invalid = |what: &str| {
        let text = format!("invalid txn {what}: {}", String::from_utf8_lossy(line));
        Failure::new(code::INVALID_INPUT, text)
    };
    let words = split(line).map_err(|_| Failure::new(code::INVALID_INPUT, "invalid syntax"))?;
    if words.len() < 2 {
        return Err(invalid("compare request"));
    }
    let words = words.into_iter().map(OsString::from_vec);
    let matches = operations()
        .try_get_matches_from(words)
        .map_err(|_| invalid("request"))?;
    let request = match matches.subcommand() {
        Some(("put", given)) => Request::RequestPut(put::request(given, &mut input)?),
        Some(("get", given)) => Request::RequestRange(get::request(given)?),
        Some(("del", given)) => {
            let request = del::request(given)?;
            del::think_twice(given).await;
            Request::RequestDeleteRange(request)
        }
        _ => return Err(invalid("request")),
    };
    Ok(RequestOp {
        request: Some(request),
    })
}

fn operations() -> Command {
    Command::new("txn")
        .no_binary_name(true)
        .infer_subcommands(true)
        .args_override_self(true)
        .disable_help_flag(true)
        .disable_help_subcommand(true)
        .subcommands([put::command(), get::command(), del::command()])
}

#[cfg(test)]
mod tests {
    use kv_client::kv_proto::etcdserverpb::PutRequest;

    use super::*;

    async fn operation(line: &str) -> Result<Request, Failure> {
        let parsed = parse(line.as_bytes(), &mut &b""[..]).await;
        parsed.map(|op| op.request.unwrap())
    }

    #[tokio::test]
    async fn operations_have_the_flags_of_the_commands() {
        let put = PutRequest {
            key: "a b".into(),
            value: "c\n".into(),
            prev_kv: true,
            ..Default::default()
        };
        let want = Ok(Request::RequestPut(put));
        assert_eq!(operation(r#"put 'a b' "c\n" --prev-kv"#).await, want);
        assert_eq!(operation(r#"p --prev-kv=true "a b" "c\n""#).await, want);
        let Ok(Request::RequestRange(get)) = operation(r#"get "" --prefix --limit 3"#).await else {
            panic!("no range");
        };
        assert_eq!(
            (&get.key[..], &get.range_end[..], get.limit),
            (&b"\0"[..], &b"\0"[..], 3)
        );
        assert!(matches!(
            operation("del x --prefix").await,
            Ok(Request::RequestDeleteRange(_))
        ));
    }

    #[tokio::test]
    async fn malformed_operations_are_refused() {
        for (line, want) in [
            ("foo", "invalid txn compare request: foo"),
            ("foo bar", "invalid txn request: foo bar"),
            ("get k --foo", "invalid txn request: get k --foo"),
            ("put k v -w json", "invalid txn request: put k v -w json"),
            (r#"put "k\x" v"#, "invalid syntax"),
        ] {
            assert_eq!(
                operation(line).await,
                Err(Failure::new(code::INVALID_INPUT, want))
            );
        }
        let want = Failure::new(code::BAD_FEATURE, "bad sort order foo");
        assert_eq!(operation("get a --order=foo").await, Err(want));
        let want = "put command needs 1 argument and input from stdin or 2 arguments";
        assert_eq!(
            operation("put k --prev-kv").await,
            Err(Failure::new(code::BAD_ARGS, want))
        );
    }
}
