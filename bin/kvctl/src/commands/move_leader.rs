use clap::{ArgMatches, Command};
use kv_client::kv_proto::etcdserverpb as etcd;

use crate::args::flag::{Given, words};
use crate::args::global::Settings;
use crate::failure::{Failure, code};
use crate::print::LeaderMoved;
use crate::text::number::unsigned_hexadecimal;

pub(crate) fn command() -> Command {
    Command::new("move-leader")
        .about("Hands the leadership over to another member; the leader must be among the endpoints")
        .override_usage("kvctl move-leader [OPTIONS] ID")
        .arg(words())
}

pub(crate) async fn run(given: &ArgMatches, settings: &Settings) -> Result<(), Failure> {
    settings.style.check::<LeaderMoved>()?;
    let to = target(given)?;
    for endpoint in &settings.endpoints {
        let fail = |error: &_| Failure::call(code::ERROR, error);
        let client = settings.client_of(endpoint).map_err(|error| fail(&error))?;
        let status = client
            .status(etcd::StatusRequest {})
            .await
            .map_err(|error| fail(&error))?;
        let from = status.leader;
        if status.header.is_none_or(|header| header.member_id != from) {
            continue;
        }
        let request = etcd::MoveLeaderRequest { target_id: to };
        let response = client.move_leader(request).await.map_err(|error| fail(&error))?;
        return settings.style.render(&LeaderMoved { from, to, response }).print();
    }
    let endpoints = settings.endpoints.join(" ");
    Err(Failure::new(
        code::BAD_ARGS,
        format!("no leader endpoint given at [{endpoints}]"),
    ))
}

fn target(given: &ArgMatches) -> Result<u64, Failure> {
    let words = given.words_of();
    let [word] = &words[..] else {
        let text = "move-leader command needs 1 argument";
        return Err(Failure::new(code::BAD_ARGS, text));
    };
    unsigned_hexadecimal(&String::from_utf8_lossy(word)).map_err(|error| Failure::new(code::BAD_ARGS, error))
}
