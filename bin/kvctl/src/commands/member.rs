use clap::{Arg, ArgMatches, Command};
use kv_client::kv_proto::etcdserverpb as etcd;

use super::get::is_serializable;
use crate::args::flag::{Given, switch, text, words};
use crate::args::global::Settings;
use crate::failure::{Failure, code};
use crate::print::{MemberAdded, MemberChanged, Members};
use crate::text::number::unsigned_hexadecimal;

pub(crate) fn command() -> Command {
    Command::new("member")
        .about("Members of the cluster")
        .subcommand_required(true)
        .arg_required_else_help(true)
        .subcommands([
            Command::new("add")
                .about("Adds a member, and prints the settings to start it with")
                .override_usage("kvctl member add [OPTIONS] NAME")
                .args([words(), peer_urls(), switch("learner", "Add it without a vote")]),
            Command::new("remove")
                .about("Removes a member")
                .override_usage("kvctl member remove [OPTIONS] ID")
                .arg(words()),
            Command::new("update")
                .about("Changes where its peers reach a member")
                .override_usage("kvctl member update [OPTIONS] ID")
                .args([words(), peer_urls()]),
            Command::new("promote")
                .about("Gives a learner a vote")
                .override_usage("kvctl member promote [OPTIONS] ID")
                .arg(words()),
            Command::new("list")
                .about(
                    "Lists the members: ID, whether started, name, peer URLs, client URLs, whether a learner",
                )
                .args([
                    words(),
                    text("consistency", "l: linearizable, s: serializable").default_value("l"),
                ]),
        ])
}

fn peer_urls() -> Arg {
    text("peer-urls", "Where its peers reach it, comma-separated")
}

pub(crate) async fn run(given: &ArgMatches, settings: &Settings) -> Result<(), Failure> {
    match given.subcommand() {
        Some(("add", given)) => add(given, settings).await,
        Some(("remove", given)) => remove(given, settings).await,
        Some(("update", given)) => update(given, settings).await,
        Some(("promote", given)) => promote(given, settings).await,
        Some((_, given)) => list(given, settings).await,
        None => Ok(()),
    }
}

async fn list(given: &ArgMatches, settings: &Settings) -> Result<(), Failure> {
    let request = etcd::MemberListRequest {
        linearizable: !is_serializable(given)?,
    };
    let response = settings.client()?.member_list(request).await;
    let response = response.map_err(|error| Failure::call(code::ERROR, &error))?;
    settings.style.render(&Members(response)).print()
}

async fn add(given: &ArgMatches, settings: &Settings) -> Result<(), Failure> {
    settings.style.check::<MemberAdded>()?;
    let name = new_name(given)?;
    let peer_urls = peer_urls_of(given)?;
    let urls: Vec<String> = peer_urls.split(',').map(str::to_owned).collect();
    for url in &urls {
        check_url(url).map_err(|text| Failure::new(code::ERROR, text))?;
    }
    let request = etcd::MemberAddRequest {
        peer_ur_ls: urls,
        is_learner: given.on("learner"),
    };
    let response = settings.client()?.member_add(request).await;
    let response = response.map_err(|error| Failure::call(code::ERROR, &error))?;
    let added = MemberAdded {
        name,
        peer_urls,
        response,
    };
    settings.style.render(&added).print()
}

fn new_name(given: &ArgMatches) -> Result<String, Failure> {
    let words: Vec<String> = given
        .words_of()
        .iter()
        .map(|word| String::from_utf8_lossy(word).into_owned())
        .collect();
    let refuse = |text: String| Err(Failure::new(code::BAD_ARGS, text));
    match &words[..] {
        [] => refuse("member name not provided".into()),
        [name] => Ok(name.clone()),
        words => {
            let urls = words
                .iter()
                .filter(|word| word.to_lowercase().starts_with("http"));
            let hints = urls.map(|url| format!(", did you mean --peer-urls={url}"));
            refuse(format!("too many arguments{}", hints.collect::<String>()))
        }
    }
}

fn peer_urls_of(given: &ArgMatches) -> Result<String, Failure> {
    match given.text_of("peer-urls") {
        "" => Err(Failure::new(code::BAD_ARGS, "member peer urls not provided")),
        urls => Ok(urls.to_owned()),
    }
}

/// What etcd's client checks before it asks, in its words.
fn check_url(url: &str) -> Result<(), String> {
    let url = url.trim();
    let (scheme, rest) = url.split_once("://").unwrap_or_default();
    match scheme {
        "unix" | "unixs" => Ok(()),
        "http" | "https" => {
            let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
            let host_end = authority.rfind(':');
            if host_end.is_none_or(|end| authority[..end].contains(':') && !authority[..end].ends_with(']')) {
                Err(format!(
                    r#"URL address does not have the form "host:port": {url}"#
                ))
            } else if path.is_empty() {
                Ok(())
            } else {
                Err(format!("URL must not contain a path: {url}"))
            }
        }
        _ => Err(format!("URL scheme must be http, https, unix, or unixs: {url}")),
    }
}

fn member_id(given: &ArgMatches) -> Result<u64, Failure> {
    let words = given.words_of();
    let [word] = &words[..] else {
        return Err(Failure::new(code::BAD_ARGS, "member ID is not provided"));
    };
    unsigned_hexadecimal(&String::from_utf8_lossy(word)).map_err(|error| {
        Failure::new(
            code::BAD_ARGS,
            format!("bad member ID arg ({error}), expecting ID in Hex"),
        )
    })
}

async fn remove(given: &ArgMatches, settings: &Settings) -> Result<(), Failure> {
    settings.style.check::<MemberChanged>()?;
    let id = member_id(given)?;
    let response = settings
        .client()?
        .member_remove(etcd::MemberRemoveRequest { id })
        .await;
    let response = response.map_err(|error| Failure::call(code::ERROR, &error))?;
    let changed = MemberChanged::removed(id, response.header, response.members);
    settings.style.render(&changed).print()
}

async fn update(given: &ArgMatches, settings: &Settings) -> Result<(), Failure> {
    settings.style.check::<MemberChanged>()?;
    let id = member_id(given)?;
    let request = etcd::MemberUpdateRequest {
        id,
        peer_ur_ls: peer_urls_of(given)?.split(',').map(str::to_owned).collect(),
    };
    let response = settings.client()?.member_update(request).await;
    let response = response.map_err(|error| Failure::call(code::ERROR, &error))?;
    let changed = MemberChanged::updated(id, response.header, response.members);
    settings.style.render(&changed).print()
}

async fn promote(given: &ArgMatches, settings: &Settings) -> Result<(), Failure> {
    settings.style.check::<MemberChanged>()?;
    let id = member_id(given)?;
    let response = settings
        .client()?
        .member_promote(etcd::MemberPromoteRequest { id })
        .await;
    let response = response.map_err(|error| Failure::call(code::ERROR, &error))?;
    let changed = MemberChanged::promoted(id, response.header, response.members);
    settings.style.render(&changed).print()
}

#[cfg(test)]
mod tests {
    use super::super::testing::given;
    use super::*;

    fn sub(words: &[&str]) -> ArgMatches {
        let given = given(command(), &[&["member"], words].concat());
        given.subcommand().unwrap().1.clone()
    }

    #[test]
    fn arguments_that_make_no_sense_are_refused_as_etcdctl_does() {
        let name = |words: &[&str]| new_name(&sub(&[&["add"], words].concat()));
        assert_eq!(name(&["a"]), Ok("a".to_owned()));
        assert_eq!(name(&[]).unwrap_err().message(), "member name not provided");
        assert_eq!(
            name(&["a", "http://h:1"]).unwrap_err().message(),
            "too many arguments, did you mean --peer-urls=http://h:1"
        );
        let id = |words: &[&str]| member_id(&sub(&[&["remove"], words].concat()));
        assert_eq!(id(&["8e9e05c52164694d"]), Ok(0x8e9e_05c5_2164_694d));
        assert_eq!(id(&[]).unwrap_err().message(), "member ID is not provided");
        assert_eq!(
            id(&["zz"]).unwrap_err().message(),
            r#"bad member ID arg (strconv.ParseUint: parsing "zz": invalid syntax), expecting ID in Hex"#
        );
        for url in ["http://h:1", "https://[::1]:2", "unix://x"] {
            assert_eq!(check_url(url), Ok(()));
        }
        for (url, want) in [
            ("h:1", "URL scheme must be http, https, unix, or unixs: h:1"),
            (
                "http://h",
                r#"URL address does not have the form "host:port": http://h"#,
            ),
            ("http://h:1/x", "URL must not contain a path: http://h:1/x"),
        ] {
            assert_eq!(check_url(url).unwrap_err(), want);
        }
        let update = sub(&["update", "1"]);
        assert_eq!(
            peer_urls_of(&update).unwrap_err().message(),
            "member peer urls not provided"
        );
    }
}
