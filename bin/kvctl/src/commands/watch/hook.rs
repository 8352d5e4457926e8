//! Commands that run for each event.

use std::ffi::OsString;
use std::process::{Command, ExitStatus};

use kv_client::kv_proto::mvccpb::Event;

use crate::failure::{Failure, code};
use crate::print::type_name;
use crate::text::quote::quote;

/// Runs the command to its end, with the event in its environment.
///
/// # Errors
/// It cannot be run, or fails.
pub(crate) async fn run(hook: &[OsString], revision: i64, event: &Event) -> Result<(), Failure> {
    let Some((program, arguments)) = hook.split_first() else {
        return Ok(());
    };
    let mut command = Command::new(program);
    command.args(arguments).envs(environment(revision, event));
    // It may take its time, while the stream stays alive.
    let ended = tokio::task::spawn_blocking(move || command.status()).await;
    let trouble = match ended {
        Ok(Ok(status)) if status.success() => return Ok(()),
        Ok(Ok(status)) => describe(status),
        Ok(Err(error)) => format!("exec: {}: {error}", quote(program.as_encoded_bytes())),
        Err(error) => error.to_string(),
    };
    let words: Vec<String> = hook.iter().map(|word| quote(word.as_encoded_bytes())).collect();
    eprintln!("command [{}] error ({trouble})", words.join(" "));
    Err(Failure::silent(code::ERROR))
}

fn describe(status: ExitStatus) -> String {
    match status.code() {
        Some(code) => format!("exit status {code}"),
        None => status.to_string(),
    }
}

fn environment(revision: i64, event: &Event) -> [(&'static str, String); 4] {
    let (key, value) = match &event.kv {
        Some(pair) => (quote(&pair.key), quote(&pair.value)),
        None => (quote(b""), quote(b"")),
    };
    [
        ("ETCD_WATCH_REVISION", revision.to_string()),
        ("ETCD_WATCH_EVENT_TYPE", quote(type_name(event).as_bytes())),
        ("ETCD_WATCH_KEY", key),
        ("ETCD_WATCH_VALUE", value),
    ]
}

#[cfg(test)]
mod tests {
    use kv_client::kv_proto::mvccpb::KeyValue;

    use super::*;

    #[test]
    fn the_event_is_in_the_environment_in_quotes() {
        let event = Event {
            kv: Some(KeyValue {
                key: "wk\n1".into(),
                value: "v1".into(),
                ..Default::default()
            }),
            ..Default::default()
        };
        let want = [
            ("ETCD_WATCH_REVISION", "26"),
            ("ETCD_WATCH_EVENT_TYPE", "\"PUT\""),
            ("ETCD_WATCH_KEY", "\"wk\\n1\""),
            ("ETCD_WATCH_VALUE", "\"v1\""),
        ];
        assert_eq!(
            environment(26, &event),
            want.map(|(name, value)| (name, value.to_owned()))
        );
    }

    #[tokio::test]
    async fn a_command_that_fails_ends_the_watch() {
        let hook = |words: &[&str]| words.iter().map(OsString::from).collect::<Vec<_>>();
        let event = Event::default();
        assert_eq!(run(&hook(&["true"]), 1, &event).await, Ok(()));
        assert_eq!(run(&hook(&[]), 1, &event).await, Ok(()));
        let failed = Err(Failure::silent(code::ERROR));
        assert_eq!(run(&hook(&["false"]), 1, &event).await, failed);
        assert_eq!(run(&hook(&["/no/such/program"]), 1, &event).await, failed);
    }
}
