use std::time::Instant;

use clap::{ArgMatches, Command};
use futures_util::future::join_all;
use kv_client::kv_proto::etcdserverpb as etcd;
use kv_client::kv_proto::etcdserverpb::AlarmType;
use kv_client::{Client, ClientError};

use crate::args::flag::{Given, integer, switch, words};
use crate::args::global::Settings;
use crate::failure::{Failure, code, describe};
use crate::print::{Answer, Hash, Hashes, Health, Healths, Status, Statuses};

/// Read to see whether reads work; whether it exists does not matter.
const HEALTH_KEY: &[u8] = b"health";

pub(crate) fn command() -> Command {
    Command::new("endpoint")
        .about("State of the members behind the endpoints")
        .subcommand_required(true)
        .arg_required_else_help(true)
        .arg(switch("cluster", "Ask all members of the cluster").global(true))
        .subcommands([
            Command::new("health")
                .about("Whether each can read, and has no alarm")
                .arg(words()),
            Command::new("status")
                .about("How each stands: version, sizes, leader, Raft's term and indexes")
                .arg(words()),
            Command::new("hashkv")
                .about("The hash of the history each has")
                .args([
                    words(),
                    integer("rev", "Newest revision to hash (0: the current one)"),
                ]),
        ])
}

pub(crate) async fn run(given: &ArgMatches, settings: &Settings) -> Result<(), Failure> {
    match given.subcommand() {
        Some(("health", given)) => health(given, settings).await,
        Some(("status", given)) => status(given, settings).await,
        Some((_, given)) => hash(given, settings).await,
        None => Ok(()),
    }
}

/// The endpoints that were named, or with `--cluster` those of all members.
pub(crate) async fn endpoints(given: &ArgMatches, settings: &Settings) -> Result<Vec<String>, Failure> {
    if !given.on("cluster") {
        return Ok(settings.endpoints.clone());
    }
    let request = etcd::MemberListRequest { linearizable: true };
    let listed = settings.client()?.member_list(request).await.map_err(|error| {
        let word = |text| format!("failed to fetch endpoints from etcd cluster member list: {text}");
        Failure::call_as(code::ERROR, &error, word)
    })?;
    let urls = listed.members.into_iter().flat_map(|member| member.client_ur_ls);
    Ok(urls.collect())
}

/// As [`endpoints`], if the answer can be printed.
async fn endpoints_for<A: Answer>(given: &ArgMatches, settings: &Settings) -> Result<Vec<String>, Failure> {
    settings.style.check::<A>()?;
    endpoints(given, settings).await
}

async fn health(given: &ArgMatches, settings: &Settings) -> Result<(), Failure> {
    let endpoints = endpoints_for::<Healths>(given, settings).await?;
    let healths = Healths(join_all(endpoints.into_iter().map(|endpoint| check(endpoint, settings))).await);
    settings.style.render(&healths).print()?;
    if healths.0.iter().all(Health::is_healthy) {
        Ok(())
    } else {
        Err(Failure::new(code::ERROR, "unhealthy cluster"))
    }
}

async fn check(endpoint: String, settings: &Settings) -> Health {
    let client = match settings.client_of(&endpoint) {
        Ok(client) => client,
        Err(error) => {
            return Health {
                endpoint,
                took: None,
                error: describe(&error),
            };
        }
    };
    let started = Instant::now();
    let read = client
        .range(etcd::RangeRequest {
            key: HEALTH_KEY.into(),
            ..Default::default()
        })
        .await;
    let took = started.elapsed();
    let error = match read {
        Err(error) if !is_permission_denied(&error) => describe(&error),
        _ => alarms(&client).await,
    };
    Health {
        endpoint,
        took: Some(took),
        error,
    }
}

/// Who may not read has been told so by a member that works.
fn is_permission_denied(error: &ClientError) -> bool {
    describe(error) == "etcdserver: permission denied"
}

/// What the alarms say is wrong; empty if there is none.
async fn alarms(client: &Client) -> String {
    match client.alarm(etcd::AlarmRequest::default()).await {
        Ok(response) => describe_alarms(&response.alarms),
        Err(_) => "Unable to fetch the alarm list".to_owned(),
    }
}

fn describe_alarms(alarms: &[etcd::AlarmMember]) -> String {
    if alarms.is_empty() {
        return String::new();
    }
    let name = |alarm: &etcd::AlarmMember| match AlarmType::try_from(alarm.alarm) {
        Ok(AlarmType::Nospace) => "NOSPACE ",
        Ok(AlarmType::Corrupt) => "CORRUPT ",
        _ => "UNKNOWN ",
    };
    format!("Active Alarm(s): {}", alarms.iter().map(name).collect::<String>())
}

async fn status(given: &ArgMatches, settings: &Settings) -> Result<(), Failure> {
    let mut statuses = Vec::new();
    let mut has_failed = false;
    for endpoint in endpoints_for::<Statuses>(given, settings).await? {
        let asked = async {
            settings
                .client_of(&endpoint)?
                .status(etcd::StatusRequest {})
                .await
        };
        match asked.await {
            Ok(response) => statuses.push(Status { endpoint, response }),
            Err(error) => {
                eprintln!(
                    "Failed to get the status of endpoint {endpoint} ({})",
                    describe(&error)
                );
                has_failed = true;
            }
        }
    }
    settings.style.render(&Statuses(statuses)).print()?;
    if has_failed {
        Err(Failure::silent(code::ERROR))
    } else {
        Ok(())
    }
}

async fn hash(given: &ArgMatches, settings: &Settings) -> Result<(), Failure> {
    let revision = given.integer_of("rev");
    let mut hashes = Vec::new();
    let mut last_error = None;
    for endpoint in endpoints_for::<Hashes>(given, settings).await? {
        let asked = async {
            settings
                .client_of(&endpoint)?
                .hash_kv(etcd::HashKvRequest { revision })
                .await
        };
        match asked.await {
            Ok(response) => hashes.push(Hash { endpoint, response }),
            Err(error) => {
                eprintln!(
                    "Failed to get the hash of endpoint {endpoint} ({})",
                    describe(&error)
                );
                last_error = Some(error);
            }
        }
    }
    settings.style.render(&Hashes(hashes)).print()?;
    match last_error {
        Some(error) => Err(Failure::call(code::ERROR, &error)),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn alarms_are_named() {
        let alarm = |alarm: AlarmType| etcd::AlarmMember {
            member_id: 1,
            alarm: alarm.into(),
        };
        assert_eq!(describe_alarms(&[]), "");
        let both = [alarm(AlarmType::Nospace), alarm(AlarmType::Corrupt)];
        assert_eq!(describe_alarms(&both), "Active Alarm(s): NOSPACE CORRUPT ");
    }
}
