use clap::{ArgMatches, Command};
use kv_client::kv_proto::etcdserverpb as etcd;
use kv_client::kv_proto::etcdserverpb::alarm_request::AlarmAction;
use kv_client::{Client, ClientError};

use crate::args::flag::{Given, words};
use crate::args::global::Settings;
use crate::failure::{Failure, code};
use crate::print::Alarms;

pub(crate) fn command() -> Command {
    Command::new("alarm")
        .about("Alarms of the cluster")
        .subcommand_required(true)
        .arg_required_else_help(true)
        .subcommands([
            Command::new("list").about("Lists all alarms").arg(words()),
            Command::new("disarm").about("Disarms all alarms").arg(words()),
        ])
}

pub(crate) async fn run(given: &ArgMatches, settings: &Settings) -> Result<(), Failure> {
    settings.style.check::<Alarms>()?;
    let Some((name, given)) = given.subcommand() else {
        return Ok(());
    };
    if !given.words_of().is_empty() {
        let text = format!("alarm {name} command accepts no arguments");
        return Err(Failure::new(code::BAD_ARGS, text));
    }
    let client = settings.client()?;
    let answered = match name {
        "disarm" => disarm(&client).await,
        _ => client.alarm(etcd::AlarmRequest::default()).await,
    };
    let response = answered.map_err(|error| Failure::call(code::ERROR, &error))?;
    settings.style.render(&Alarms(response)).print()
}

/// Disarms each alarm there is; the answer lists them.
async fn disarm(client: &Client) -> Result<etcd::AlarmResponse, ClientError> {
    let raised = client.alarm(etcd::AlarmRequest::default()).await?;
    let mut disarmed = etcd::AlarmResponse::default();
    for alarm in raised.alarms {
        let request = etcd::AlarmRequest {
            action: AlarmAction::Deactivate.into(),
            member_id: alarm.member_id,
            alarm: alarm.alarm,
        };
        disarmed.alarms.extend(client.alarm(request).await?.alarms);
    }
    Ok(disarmed)
}
