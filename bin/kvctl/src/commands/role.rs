use bytes::Bytes;
use clap::{ArgMatches, Command};
use kv_client::kv_proto::authpb::Permission;
use kv_client::kv_proto::etcdserverpb as etcd;
use kv_client::{FROM_KEY, prefix_end};

use super::range::Range;
use super::user::{arguments, failed, say};
use crate::args::flag::{Given, switch, words};
use crate::args::global::Settings;
use crate::failure::{Failure, code};
use crate::print::{Changed, RoleShown, Roles};

pub(crate) fn command() -> Command {
    let range = || {
        [
            words(),
            switch("prefix", "All keys that begin with KEY"),
            switch("from-key", "All keys from KEY on"),
        ]
    };
    Command::new("role")
        .about("Roles")
        .subcommand_required(true)
        .arg_required_else_help(true)
        .subcommands([
            Command::new("add")
                .about("Adds a role")
                .override_usage("kvctl role add [OPTIONS] NAME")
                .arg(words()),
            Command::new("delete")
                .about("Deletes a role")
                .override_usage("kvctl role delete [OPTIONS] NAME")
                .arg(words()),
            Command::new("get")
                .about("Tells what a role allows")
                .override_usage("kvctl role get [OPTIONS] NAME")
                .arg(words()),
            Command::new("list").about("Lists the roles").arg(words()),
            Command::new("grant-permission")
                .about("Gives a role the right to keys")
                .override_usage("kvctl role grant-permission [OPTIONS] ROLE read|write|readwrite KEY [END]")
                .args(range()),
            Command::new("revoke-permission")
                .about("Takes the right to keys from a role")
                .override_usage("kvctl role revoke-permission [OPTIONS] ROLE KEY [END]")
                .args(range()),
        ])
}

pub(crate) async fn run(given: &ArgMatches, settings: &Settings) -> Result<(), Failure> {
    match given.subcommand() {
        Some(("add", given)) => add(given, settings).await,
        Some(("delete", given)) => delete(given, settings).await,
        Some(("get", given)) => get(given, settings).await,
        Some(("list", given)) => list(given, settings).await,
        Some(("grant-permission", given)) => grant(given, settings).await,
        Some((_, given)) => revoke(given, settings).await,
        None => Ok(()),
    }
}

async fn add(given: &ArgMatches, settings: &Settings) -> Result<(), Failure> {
    settings.style.check::<Changed>()?;
    let [name] = arguments(given, "role add command requires role name as its argument")?;
    let request = etcd::AuthRoleAddRequest { name: name.clone() };
    let response = settings.patient_client()?.role_add(request).await;
    say(
        settings,
        response.map_err(failed)?.header,
        format!("Role {name} created"),
    )
}

async fn delete(given: &ArgMatches, settings: &Settings) -> Result<(), Failure> {
    settings.style.check::<Changed>()?;
    let [role] = arguments(given, "role delete command requires role name as its argument")?;
    let text = format!("Role {role} deleted");
    let request = etcd::AuthRoleDeleteRequest { role };
    let response = settings.patient_client()?.role_delete(request).await;
    say(settings, response.map_err(failed)?.header, text)
}

async fn get(given: &ArgMatches, settings: &Settings) -> Result<(), Failure> {
    settings.style.check::<RoleShown>()?;
    let [name] = arguments(given, "role get command requires role name as its argument")?;
    let request = etcd::AuthRoleGetRequest { role: name.clone() };
    let response = settings.patient_client()?.role_get(request).await;
    let response = response.map_err(failed)?;
    settings.style.render(&RoleShown { name, response }).print()
}

async fn list(given: &ArgMatches, settings: &Settings) -> Result<(), Failure> {
    settings.style.check::<Roles>()?;
    let [] = arguments(given, "role list command requires no arguments")?;
    let request = etcd::AuthRoleListRequest {};
    let response = settings.patient_client()?.role_list(request).await;
    settings.style.render(&Roles(response.map_err(failed)?)).print()
}

/// The keys that one word, or two, and the flags stand for. Words beyond are overlooked, as in etcdctl.
fn range(given: &ArgMatches, words: &[Bytes]) -> Result<Range, Failure> {
    let bad = |text: &str| Err(Failure::new(code::BAD_ARGS, text));
    let (is_prefix, is_from) = (given.on("prefix"), given.on("from-key"));
    let all = Bytes::from_static(FROM_KEY);
    match words {
        [_, ..] if is_prefix && is_from && words.len() == 1 => {
            bad("--from-key and --prefix flags are mutually exclusive")
        }
        [key, ..] if key.is_empty() && is_prefix && is_from => {
            bad("--from-key and --prefix flags are mutually exclusive")
        }
        [key, ..] if key.is_empty() && (is_prefix || is_from) => Ok((all.clone(), all)),
        [key, ..] if key.is_empty() => Ok((all, Bytes::new())),
        [key] if is_prefix => Ok((key.clone(), prefix_end(key))),
        [key] if is_from => Ok((key.clone(), all)),
        [key] => Ok((key.clone(), Bytes::new())),
        [_, ..] if is_prefix => bad("unexpected endkey argument with --prefix flag"),
        [_, ..] if is_from => bad("unexpected endkey argument with --from-key flag"),
        [key, end, ..] => Ok((key.clone(), end.clone())),
        [] => Ok((Bytes::new(), Bytes::new())),
    }
}

fn kind(word: &str) -> Result<i32, Failure> {
    match word.to_uppercase().as_str() {
        "READ" => Ok(0),
        "WRITE" => Ok(1),
        "READWRITE" => Ok(2),
        _ => Err(Failure::new(
            code::BAD_ARGS,
            format!("invalid permission type: {word}"),
        )),
    }
}

fn text(word: &Bytes) -> String {
    String::from_utf8_lossy(word).into_owned()
}

async fn grant(given: &ArgMatches, settings: &Settings) -> Result<(), Failure> {
    settings.style.check::<Changed>()?;
    let words = given.words_of();
    let [role, word, keys @ ..] = &words[..] else {
        return Err(Failure::new(code::BAD_ARGS, GRANT_WORDS));
    };
    if keys.is_empty() {
        return Err(Failure::new(code::BAD_ARGS, GRANT_WORDS));
    }
    let perm_type = kind(&text(word))?;
    let (key, range_end) = range(given, keys)?;
    let request = etcd::AuthRoleGrantPermissionRequest {
        name: text(role),
        perm: Some(Permission {
            perm_type,
            key,
            range_end,
        }),
    };
    let response = settings.patient_client()?.role_grant_permission(request).await;
    let said = format!("Role {} updated", text(role));
    say(settings, response.map_err(failed)?.header, said)
}

const GRANT_WORDS: &str =
    "role grant command requires role name, permission type, and key [endkey] as its argument";

async fn revoke(given: &ArgMatches, settings: &Settings) -> Result<(), Failure> {
    settings.style.check::<Changed>()?;
    let words = given.words_of();
    let wrong = "role revoke-permission command requires role name and key [endkey] as its argument";
    let [role, keys @ ..] = &words[..] else {
        return Err(Failure::new(code::BAD_ARGS, wrong));
    };
    let Some(shown) = keys.first() else {
        return Err(Failure::new(code::BAD_ARGS, wrong));
    };
    let (key, range_end) = range(given, keys)?;
    let what = match &range_end[..] {
        [] => format!("key {}", text(shown)),
        [0] => format!("range [{}, <open ended>", text(shown)),
        _ => format!("range [{}, {})", text(shown), text(&range_end)),
    };
    let request = etcd::AuthRoleRevokePermissionRequest {
        role: text(role),
        key,
        range_end,
    };
    let response = settings.patient_client()?.role_revoke_permission(request).await;
    let said = format!("Permission of {what} is revoked from role {}", text(role));
    say(settings, response.map_err(failed)?.header, said)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::testing::{bytes, given};

    #[track_caller]
    fn check(line: &[&str], want: (&'static str, &'static str)) {
        let matches = given(command(), &[&["role", "revoke-permission", "r"], line].concat());
        let (_, matches) = matches.subcommand().unwrap();
        let words = matches.words_of();
        let want = (bytes(want.0), bytes(want.1));
        assert_eq!(range(matches, &words[1..]), Ok(want), "{line:?}");
    }

    #[test]
    fn words_and_flags_select_keys() {
        check(&["a"], ("a", ""));
        check(&["a", "c"], ("a", "c"));
        check(&["a", "--prefix"], ("a", "b"));
        check(&["a", "--from-key"], ("a", "\0"));
        check(&[""], ("\0", ""));
        check(&["", "--prefix"], ("\0", "\0"));
    }

    #[test]
    fn kinds_are_words_in_any_case() {
        assert_eq!((kind("read"), kind("ReadWrite")), (Ok(0), Ok(2)));
        let want = Failure::new(code::BAD_ARGS, "invalid permission type: x");
        assert_eq!(kind("x"), Err(want));
    }
}
