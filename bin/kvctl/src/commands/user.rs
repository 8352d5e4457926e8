use clap::{ArgMatches, Command};
use kv_client::kv_proto::authpb::UserAddOptions;
use kv_client::kv_proto::etcdserverpb as etcd;
use kv_client::{Client, ClientError};

use crate::args::flag::{Given, switch, text, words};
use crate::args::global::Settings;
use crate::failure::{Failure, code};
use crate::print::{Changed, Page, RoleShown, UserRoles, Users};
use crate::secret;

pub(crate) fn command() -> Command {
    let interactive =
        || switch("interactive", "Ask for the password (else it is read)").default_value("true");
    Command::new("user")
        .about("Users")
        .subcommand_required(true)
        .arg_required_else_help(true)
        .subcommands([
            Command::new("add")
                .about("Adds a user")
                .override_usage("kvctl user add [OPTIONS] NAME[:PASSWORD]")
                .args([
                    words(),
                    interactive(),
                    text("new-user-password", "The password"),
                    switch("no-password", "The user comes in by a certificate only"),
                ]),
            Command::new("delete")
                .about("Deletes a user")
                .override_usage("kvctl user delete [OPTIONS] NAME")
                .arg(words()),
            Command::new("get")
                .about("Tells the roles of a user")
                .override_usage("kvctl user get [OPTIONS] NAME")
                .args([words(), switch("detail", "Tell what the roles allow, too")]),
            Command::new("list").about("Lists the users").arg(words()),
            Command::new("passwd")
                .about("Changes a password")
                .override_usage("kvctl user passwd [OPTIONS] NAME")
                .args([words(), interactive()]),
            Command::new("grant-role")
                .about("Gives a user a role")
                .override_usage("kvctl user grant-role [OPTIONS] USER ROLE")
                .arg(words()),
            Command::new("revoke-role")
                .about("Takes a role from a user")
                .override_usage("kvctl user revoke-role [OPTIONS] USER ROLE")
                .arg(words()),
        ])
}

pub(crate) async fn run(given: &ArgMatches, settings: &Settings) -> Result<(), Failure> {
    match given.subcommand() {
        Some(("add", given)) => add(given, settings).await,
        Some(("delete", given)) => delete(given, settings).await,
        Some(("get", given)) => get(given, settings).await,
        Some(("list", given)) => list(given, settings).await,
        Some(("passwd", given)) => change_password(given, settings).await,
        Some(("grant-role", given)) => grant_role(given, settings).await,
        Some((_, given)) => revoke_role(given, settings).await,
        None => Ok(()),
    }
}

/// Exactly so many words.
pub(super) fn arguments<const N: usize>(given: &ArgMatches, wrong: &str) -> Result<[String; N], Failure> {
    let words = given.words_of();
    let words: Vec<String> = words
        .iter()
        .map(|word| String::from_utf8_lossy(word).into_owned())
        .collect();
    words.try_into().map_err(|_| Failure::new(code::BAD_ARGS, wrong))
}

pub(super) fn failed(error: ClientError) -> Failure {
    Failure::call(code::ERROR, &error)
}

pub(super) fn say(
    settings: &Settings,
    header: Option<etcd::ResponseHeader>,
    text: String,
) -> Result<(), Failure> {
    settings.style.render(&Changed { header, text }).print()
}

/// The user and its password, which is none if it shall have none.
fn new_user(given: &ArgMatches, argument: String) -> Result<(String, Option<String>), Failure> {
    if given.on("no-password") {
        return Ok((argument, None));
    }
    let flag = given.text_of("new-user-password");
    if !flag.is_empty() {
        return Ok((argument, Some(flag.to_owned())));
    }
    match argument.split_once(':') {
        Some(("", _)) => Err(Failure::new(code::BAD_ARGS, "empty user name is not allowed")),
        Some((user, password)) => Ok((user.to_owned(), Some(password.to_owned()))),
        None => {
            let password = read_password(given, &argument)?;
            Ok((argument, Some(password)))
        }
    }
}

fn read_password(given: &ArgMatches, user: &str) -> Result<String, Failure> {
    if given.on("interactive") {
        secret::ask_new(user)
    } else {
        Ok(secret::read_word())
    }
}

async fn add(given: &ArgMatches, settings: &Settings) -> Result<(), Failure> {
    settings.style.check::<Changed>()?;
    let [argument] = arguments(given, "user add command requires user name as its argument")?;
    let (name, password) = new_user(given, argument)?;
    let request = etcd::AuthUserAddRequest {
        name: name.clone(),
        options: Some(UserAddOptions {
            no_password: password.is_none(),
        }),
        password: password.unwrap_or_default(),
        ..Default::default()
    };
    let response = settings
        .patient_client()?
        .user_add(request)
        .await
        .map_err(failed)?;
    say(settings, response.header, format!("User {name} created"))
}

async fn delete(given: &ArgMatches, settings: &Settings) -> Result<(), Failure> {
    settings.style.check::<Changed>()?;
    let [name] = arguments(given, "user delete command requires user name as its argument")?;
    let request = etcd::AuthUserDeleteRequest { name: name.clone() };
    let response = settings.patient_client()?.user_delete(request).await;
    let response = response.map_err(failed)?;
    say(settings, response.header, format!("User {name} deleted"))
}

async fn get(given: &ArgMatches, settings: &Settings) -> Result<(), Failure> {
    let detail = given.on("detail");
    if !detail {
        settings.style.check::<UserRoles>()?;
    }
    let [name] = arguments(given, "user get command requires user name as its argument")?;
    let client = settings.patient_client()?;
    let request = etcd::AuthUserGetRequest { name: name.clone() };
    let response = client.user_get(request).await.map_err(failed)?;
    if detail {
        return show_roles(&client, settings, &name, response.roles).await;
    }
    settings.style.render(&UserRoles { name, response }).print()
}

async fn show_roles(
    client: &Client,
    settings: &Settings,
    user: &str,
    roles: Vec<String>,
) -> Result<(), Failure> {
    settings.style.check::<RoleShown>()?;
    let mut page = Page::default();
    page.line(format!("User: {user}"));
    page.print()?;
    for name in roles {
        let request = etcd::AuthRoleGetRequest { role: name.clone() };
        let mut page = Page::default();
        page.line("");
        page.print()?;
        let response = client.role_get(request).await.map_err(failed)?;
        settings.style.render(&RoleShown { name, response }).print()?;
    }
    Ok(())
}

async fn list(given: &ArgMatches, settings: &Settings) -> Result<(), Failure> {
    settings.style.check::<Users>()?;
    let [] = arguments(given, "user list command requires no arguments")?;
    let request = etcd::AuthUserListRequest {};
    let response = settings.patient_client()?.user_list(request).await;
    settings.style.render(&Users(response.map_err(failed)?)).print()
}

async fn change_password(given: &ArgMatches, settings: &Settings) -> Result<(), Failure> {
    settings.style.check::<Changed>()?;
    let [name] = arguments(given, "user passwd command requires user name as its argument")?;
    let password = read_password(given, &name)?;
    let request = etcd::AuthUserChangePasswordRequest {
        name,
        password,
        ..Default::default()
    };
    let response = settings.patient_client()?.user_change_password(request).await;
    say(
        settings,
        response.map_err(failed)?.header,
        "Password updated".into(),
    )
}

async fn grant_role(given: &ArgMatches, settings: &Settings) -> Result<(), Failure> {
    settings.style.check::<Changed>()?;
    let wrong = "user grant command requires user name and role name as its argument";
    let [user, role] = arguments(given, wrong)?;
    let text = format!("Role {role} is granted to user {user}");
    let request = etcd::AuthUserGrantRoleRequest { user, role };
    let response = settings.patient_client()?.user_grant_role(request).await;
    say(settings, response.map_err(failed)?.header, text)
}

async fn revoke_role(given: &ArgMatches, settings: &Settings) -> Result<(), Failure> {
    settings.style.check::<Changed>()?;
    let wrong = "user revoke-role requires user name and role name as its argument";
    let [name, role] = arguments(given, wrong)?;
    let text = format!("Role {role} is revoked from user {name}");
    let request = etcd::AuthUserRevokeRoleRequest { name, role };
    let response = settings.patient_client()?.user_revoke_role(request).await;
    say(settings, response.map_err(failed)?.header, text)
}
