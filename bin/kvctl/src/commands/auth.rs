use clap::{ArgMatches, Command};
use kv_client::kv_proto::etcdserverpb as etcd;
use kv_client::{Client, ClientError};

use crate::args::flag::{Given, words};
use crate::args::global::Settings;
use crate::failure::{Failure, code, describe};
use crate::print::{AuthStatus, Page};

const ROOT: &str = "root";

pub(crate) fn command() -> Command {
    Command::new("auth")
        .about("Switches auth on and off")
        .subcommand_required(true)
        .arg_required_else_help(true)
        .subcommands([
            Command::new("enable")
                .about("Every request needs a user")
                .arg(words()),
            Command::new("disable")
                .about("No request needs a user")
                .arg(words()),
            Command::new("status").about("Tells which it is").arg(words()),
        ])
}

pub(crate) async fn run(given: &ArgMatches, settings: &Settings) -> Result<(), Failure> {
    let Some((name, given)) = given.subcommand() else {
        return Ok(());
    };
    if !given.words_of().is_empty() {
        let text = format!("auth {name} command does not accept any arguments");
        return Err(Failure::new(code::BAD_ARGS, text));
    }
    let failed = |error: ClientError| Failure::call(code::ERROR, &error);
    let done = match name {
        "enable" => {
            enable(&settings.client()?).await.map_err(failed)?;
            "Authentication Enabled"
        }
        "disable" => {
            let request = etcd::AuthDisableRequest {};
            settings.client()?.auth_disable(request).await.map_err(failed)?;
            "Authentication Disabled"
        }
        _ => return status(settings).await,
    };
    // Whatever the format.
    let mut page = Page::default();
    page.line(done);
    page.print()
}

/// Gives root its role if that is what is missing.
async fn enable(client: &Client) -> Result<(), ClientError> {
    loop {
        match client.auth_enable(etcd::AuthEnableRequest {}).await {
            Err(error) if describe(&error) == "etcdserver: root user does not have root role" => {
                let role = etcd::AuthRoleAddRequest { name: ROOT.into() };
                client.role_add(role).await?;
                let grant = etcd::AuthUserGrantRoleRequest {
                    user: ROOT.into(),
                    role: ROOT.into(),
                };
                client.user_grant_role(grant).await?;
            }
            result => return result.map(drop),
        }
    }
}

async fn status(settings: &Settings) -> Result<(), Failure> {
    settings.style.check::<AuthStatus>()?;
    let response = settings.client()?.auth_status(etcd::AuthStatusRequest {}).await;
    let response = response.map_err(|error| Failure::call(code::ERROR, &error))?;
    settings.style.render(&AuthStatus(response)).print()
}
