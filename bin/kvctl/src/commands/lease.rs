use std::time::Duration;

use clap::{ArgMatches, Command};
use kv_client::kv_proto::etcdserverpb as etcd;
use kv_client::{Client, ClientError, KeepAlive};
use tokio::time::{Instant, sleep, timeout_at};

use crate::args::flag::{Given, switch, words};
use crate::args::global::Settings;
use crate::failure::{Failure, code};
use crate::print::{Format, Granted, KeptAlive, Leases, Page, Revoked, TimeToLive};
use crate::text::number::{decimal, hexadecimal, padded_hex};

/// How long a lease is taken to live before a server has said so.
const FIRST_TTL: Duration = Duration::from_secs(5);
/// Pause before another try to reach a server.
const PAUSE: Duration = Duration::from_millis(500);

pub(crate) fn command() -> Command {
    Command::new("lease")
        .about("Leases")
        .subcommand_required(true)
        .arg_required_else_help(true)
        .subcommands([
            Command::new("grant")
                .about("Creates a lease")
                .override_usage("kvctl lease grant [OPTIONS] TTL_SECONDS")
                .arg(words()),
            Command::new("revoke")
                .about("Ends a lease and deletes its keys")
                .override_usage("kvctl lease revoke [OPTIONS] ID")
                .arg(words()),
            Command::new("timetolive")
                .about("Tells what is left of a lease")
                .override_usage("kvctl lease timetolive [OPTIONS] ID")
                .args([words(), switch("keys", "List the keys that are attached to it")]),
            Command::new("list").about("Lists the leases").arg(words()),
            Command::new("keep-alive")
                .about("Renews a lease again and again")
                .override_usage("kvctl lease keep-alive [OPTIONS] ID")
                .args([words(), switch("once", "Renew it once")]),
        ])
}

pub(crate) async fn run(given: &ArgMatches, settings: &Settings) -> Result<(), Failure> {
    match given.subcommand() {
        Some(("grant", given)) => grant(given, settings).await,
        Some(("revoke", given)) => revoke(given, settings).await,
        Some(("timetolive", given)) => time_to_live(given, settings).await,
        Some(("list", _)) => list(settings).await,
        Some((_, given)) if given.on("once") => keep_alive_once(given, settings).await,
        Some((_, given)) => keep_alive(given, settings).await,
        None => Ok(()),
    }
}

/// The one argument, as text.
fn argument(given: &ArgMatches, missing: &str) -> Result<String, Failure> {
    match &given.words_of()[..] {
        [word] => Ok(String::from_utf8_lossy(word).into_owned()),
        _ => Err(Failure::new(code::BAD_ARGS, missing)),
    }
}

fn lease_id(given: &ArgMatches, missing: &str) -> Result<i64, Failure> {
    hexadecimal(&argument(given, missing)?).map_err(|error| {
        Failure::new(
            code::BAD_ARGS,
            format!("bad lease ID arg ({error}), expecting ID in Hex"),
        )
    })
}

fn ttl(given: &ArgMatches) -> Result<i64, Failure> {
    let ttl = argument(given, "lease grant command needs TTL argument")?;
    decimal(&ttl).map_err(|error| Failure::new(code::BAD_ARGS, format!("bad TTL ({error})")))
}

async fn grant(given: &ArgMatches, settings: &Settings) -> Result<(), Failure> {
    settings.style.check::<Granted>()?;
    let request = etcd::LeaseGrantRequest {
        ttl: ttl(given)?,
        id: 0,
    };
    let response = settings.client()?.lease_grant(request).await;
    let response = response.map_err(|error| {
        Failure::call_as(code::ERROR, &error, |text| {
            format!("failed to grant lease ({text})")
        })
    })?;
    settings.style.render(&Granted(response)).print()
}

async fn revoke(given: &ArgMatches, settings: &Settings) -> Result<(), Failure> {
    settings.style.check::<Revoked>()?;
    let id = lease_id(given, "lease revoke command needs 1 argument")?;
    let response = settings
        .client()?
        .lease_revoke(etcd::LeaseRevokeRequest { id })
        .await;
    let response = response.map_err(|error| {
        Failure::call_as(code::ERROR, &error, |text| {
            format!("failed to revoke lease ({text})")
        })
    })?;
    settings.style.render(&Revoked { id, response }).print()
}

async fn time_to_live(given: &ArgMatches, settings: &Settings) -> Result<(), Failure> {
    settings.style.check::<TimeToLive>()?;
    let id = lease_id(given, "lease timetolive command needs lease ID as argument")?;
    let keys = given.on("keys");
    let request = etcd::LeaseTimeToLiveRequest { id, keys };
    let response = settings.patient_client()?.lease_time_to_live(request).await;
    let response = response.map_err(|error| Failure::call(code::BAD_CONNECTION, &error))?;
    settings.style.render(&TimeToLive { response, keys }).print()
}

async fn list(settings: &Settings) -> Result<(), Failure> {
    settings.style.check::<Leases>()?;
    let request = etcd::LeaseLeasesRequest {};
    let response = settings.patient_client()?.lease_leases(request).await;
    let response = response.map_err(|error| Failure::call(code::BAD_CONNECTION, &error))?;
    settings.style.render(&Leases(response)).print()
}

const ID_MISSING: &str = "lease keep-alive command needs lease ID as argument";

async fn keep_alive_once(given: &ArgMatches, settings: &Settings) -> Result<(), Failure> {
    settings.style.check::<KeptAlive>()?;
    let id = lease_id(given, ID_MISSING)?;
    let client = settings.patient_client()?;
    let renewed = client.lease_keep_alive(id).await;
    let (_, response) = renewed.map_err(|error| Failure::call(code::BAD_CONNECTION, &error))?;
    if response.ttl <= 0 {
        let text = "etcdserver: requested lease not found";
        return Err(Failure::new(code::BAD_CONNECTION, text));
    }
    settings.style.render(&KeptAlive(response)).print()
}

/// Renews a lease each third of its life, through whatever happens to the connection, until a server says that it is
/// gone or nobody has renewed it for as long as it lives.
async fn keep_alive(given: &ArgMatches, settings: &Settings) -> Result<(), Failure> {
    settings.style.check::<KeptAlive>()?;
    let id = lease_id(given, ID_MISSING)?;
    let client = settings.patient_client()?;
    let mut stream = None;
    let mut end = Instant::now() + FIRST_TTL;
    let mut was_renewed = false;
    loop {
        match timeout_at(end, renew(&client, &mut stream, id)).await {
            Ok(Ok(response)) if response.ttl <= 0 => break,
            Ok(Ok(response)) => {
                let ttl = Duration::from_secs(response.ttl.unsigned_abs());
                end = Instant::now() + ttl;
                was_renewed = true;
                settings.style.render(&KeptAlive(response)).print()?;
                sleep(ttl / 3).await;
            }
            Ok(Err(error)) if Instant::now() + PAUSE < end => {
                eprintln!("Warning: {}", Failure::call(code::ERROR, &error).message());
                stream = None;
                sleep(PAUSE).await;
            }
            Ok(Err(error)) if !was_renewed => return Err(Failure::call(code::BAD_CONNECTION, &error)),
            Err(_) if !was_renewed => {
                let error = ClientError::DeadlineExceeded { last: None };
                return Err(Failure::call(code::BAD_CONNECTION, &error));
            }
            Ok(Err(_)) | Err(_) => break,
        }
    }
    let mut page = Page::default();
    if settings.style.format == Format::Simple {
        page.line(format!("lease {} expired or revoked.", padded_hex(id)));
    }
    page.print()
}

async fn renew(
    client: &Client,
    stream: &mut Option<KeepAlive>,
    id: i64,
) -> Result<etcd::LeaseKeepAliveResponse, ClientError> {
    if let Some(stream) = stream {
        return stream.renew(id).await;
    }
    let (opened, response) = client.lease_keep_alive(id).await?;
    *stream = Some(opened);
    Ok(response)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::testing::given;

    #[track_caller]
    fn check_refused<T>(result: Result<T, Failure>, want: &str) {
        assert_eq!(result.err(), Some(Failure::new(code::BAD_ARGS, want)));
    }

    #[test]
    fn ids_are_hexadecimal_and_ttls_decimal() {
        let lease = given(command(), &["lease", "revoke", "1f"]);
        let (_, revoke) = lease.subcommand().unwrap();
        assert_eq!(lease_id(revoke, "missing"), Ok(0x1f));
        let lease = given(command(), &["lease", "grant", "--", "-5"]);
        let (_, grant) = lease.subcommand().unwrap();
        assert_eq!(ttl(grant), Ok(-5));
    }

    #[test]
    fn missing_and_malformed_arguments_are_refused() {
        let lease = given(command(), &["lease", "keep-alive", "zz"]);
        let (_, keep_alive) = lease.subcommand().unwrap();
        let want =
            r#"bad lease ID arg (strconv.ParseInt: parsing "zz": invalid syntax), expecting ID in Hex"#;
        check_refused(lease_id(keep_alive, ID_MISSING), want);
        let lease = given(command(), &["lease", "keep-alive"]);
        let (_, keep_alive) = lease.subcommand().unwrap();
        check_refused(lease_id(keep_alive, ID_MISSING), ID_MISSING);
        let lease = given(command(), &["lease", "grant", "x"]);
        let (_, grant) = lease.subcommand().unwrap();
        check_refused(
            ttl(grant),
            r#"bad TTL (strconv.ParseInt: parsing "x": invalid syntax)"#,
        );
    }
}
