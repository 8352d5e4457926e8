use std::ffi::OsStr;
use std::fs::{File, OpenOptions};
use std::future::Future;
use std::io::{self, BufWriter, Write};
use std::num::NonZeroU64;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use clap::{ArgMatches, Command};
use kv_embed::{Digest, Options, RestoreOptions, RevisionBump, SnapshotFile, restore};

use crate::args::flag::{Given, integer, on_command_line, switch, text, words};
use crate::args::global::Settings;
use crate::failure::{Failure, code, describe};
use crate::print::{Page, SnapshotStatus};

pub(crate) fn command() -> Command {
    Command::new("snapshot")
        .about("Saves, inspects and restores snapshots")
        .subcommand_required(true)
        .arg_required_else_help(true)
        .subcommands([
            Command::new("save")
                .about("Saves a snapshot of one member to a file")
                .override_usage("kvctl snapshot save [OPTIONS] FILE")
                .arg(words()),
            Command::new("status")
                .about("Checks a file and tells what is in it: hash, revision, keys, size, version")
                .override_usage("kvctl snapshot status [OPTIONS] FILE")
                .arg(words()),
            restore_command(),
        ])
}

fn restore_command() -> Command {
    Command::new("restore")
        .about("Makes the data directory of a new cluster's member from a file, of kvd or of etcd")
        .override_usage("kvctl snapshot restore [OPTIONS] FILE")
        .args([
            words(),
            text("data-dir", "The directory to make (default: NAME.etcd)"),
            text("name", "Name of the member").default_value("default"),
            text(
                "initial-cluster",
                "Members of the new cluster (default: NAME with the peer URLs)",
            ),
            text("initial-cluster-token", "Token of the new cluster").default_value("etcd-cluster"),
            text("initial-advertise-peer-urls", "Peer URLs of the member")
                .default_value("http://localhost:2380"),
            switch(
                "skip-hash-check",
                "Accept a file without a digest, or with a wrong one",
            ),
            integer("bump-revision", "Raise the revision by this much"),
            switch("mark-compacted", "Count the raised revision as compacted"),
            text("wal-dir", "Not supported: the log is in the data directory"),
            integer("initial-memory-map-size", "Of no effect"),
        ])
}

pub(crate) async fn run(given: &ArgMatches, settings: &Settings) -> Result<(), Failure> {
    match given.subcommand() {
        Some(("save", given)) => save(given, settings).await,
        Some(("status", given)) => status(given, settings),
        Some((_, given)) => restore_file(given),
        None => Ok(()),
    }
}

fn file_of(given: &ArgMatches, complaint: &str) -> Result<PathBuf, Failure> {
    match &given.words_of()[..] {
        [file] => Ok(OsStr::from_bytes(file).into()),
        _ => Err(Failure::new(code::BAD_ARGS, complaint)),
    }
}

async fn save(given: &ArgMatches, settings: &Settings) -> Result<(), Failure> {
    let path = file_of(given, "snapshot save expects one argument <filename>")?;
    if settings.endpoints.len() != 1 {
        let endpoints = settings.endpoints.join(" ");
        let text = format!("snapshot must be requested to one selected node, not multiple [{endpoints}]");
        return Err(Failure::new(code::INTERRUPTED, text));
    }
    let download = download(&path, settings);
    // Without a limit unless one is set.
    let version = if on_command_line(given, "command-timeout") {
        within(settings.command_timeout, download).await?
    } else {
        download.await?
    };
    let mut page = Page::default();
    page.line(format!("Snapshot saved at {}", path.display()));
    if !version.is_empty() {
        page.line(format!("Server version {version}"));
    }
    page.print()
}

async fn within<T>(
    limit: std::time::Duration,
    work: impl Future<Output = Result<T, Failure>>,
) -> Result<T, Failure> {
    let late = |_| Failure::new(code::INTERRUPTED, "context deadline exceeded");
    tokio::time::timeout(limit, work).await.map_err(late)?
}

/// A file that is removed unless it is renamed.
struct Part(PathBuf);

impl Drop for Part {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

/// Fetches a snapshot, checks it, and gives it its name. The version it says.
async fn download(path: &Path, settings: &Settings) -> Result<String, Failure> {
    let failed = |error: io::Error| {
        Failure::new(
            code::INTERRUPTED,
            format!("could not write {}: {error}", path.display()),
        )
    };
    let mut part = path.as_os_str().to_owned();
    part.push(".part");
    let part = Part(part.into());
    let file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&part.0);
    let mut file = BufWriter::new(file.map_err(failed)?);
    let lost = |error| Failure::call(code::INTERRUPTED, &error);
    let mut stream = settings.patient_client()?.snapshot().await.map_err(lost)?;
    let mut version = String::new();
    loop {
        let message = stream.message().await;
        let message = message.map_err(|status| Failure::new(code::INTERRUPTED, describe(&status.into())))?;
        let Some(message) = message else { break };
        file.write_all(&message.blob).map_err(failed)?;
        version = message.version;
    }
    let file = file.into_inner().map_err(|error| failed(error.into_error()))?;
    file.sync_all().map_err(failed)?;
    SnapshotFile::open(&part.0, Digest::Required).map_err(|error| Failure::new(code::INTERRUPTED, error))?;
    std::fs::rename(&part.0, path).map_err(failed)?;
    sync_parent(path).map_err(failed)?;
    Ok(version)
}

fn sync_parent(path: &Path) -> io::Result<()> {
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    File::open(parent.unwrap_or(Path::new(".")))?.sync_all()
}

fn status(given: &ArgMatches, settings: &Settings) -> Result<(), Failure> {
    settings.style.check::<SnapshotStatus>()?;
    let path = file_of(given, "snapshot status requires exactly one argument")?;
    let status = SnapshotFile::open(&path, Digest::Optional).and_then(|file| file.status());
    let status = status.map_err(|error| Failure::new(code::ERROR, error))?;
    settings.style.render(&SnapshotStatus(status)).print()
}

fn restore_file(given: &ArgMatches) -> Result<(), Failure> {
    let options = restore_options(given)?;
    let restored = restore(&options).map_err(|error| Failure::new(code::ERROR, error))?;
    eprintln!(
        "restored {} changes up to revision {}",
        restored.rows, restored.revision
    );
    Ok(())
}

fn restore_options(given: &ArgMatches) -> Result<RestoreOptions, Failure> {
    let snapshot = file_of(given, "snapshot restore requires exactly one argument")?;
    if !given.text_of("wal-dir").is_empty() {
        let text = "--wal-dir: kvd has its log in the data directory";
        return Err(Failure::new(code::BAD_FEATURE, text));
    }
    let bump = u64::try_from(given.integer_of("bump-revision"))
        .map_err(|_| Failure::new(code::BAD_ARGS, "--bump-revision must not be negative"))?;
    let bump = NonZeroU64::new(bump).map(RevisionBump);
    if bump.is_some() != given.on("mark-compacted") {
        let text = "--mark-compacted required if --bump-revision > 0";
        return Err(Failure::new(code::BAD_ARGS, text));
    }
    let given_text = |name| Some(given.text_of(name).to_owned()).filter(|text| !text.is_empty());
    Ok(RestoreOptions {
        snapshot,
        digest: if given.on("skip-hash-check") {
            Digest::Skipped
        } else {
            Digest::Required
        },
        bump,
        member: Options {
            name: given.text_of("name").to_owned(),
            data_dir: given_text("data-dir"),
            initial_cluster: given_text("initial-cluster"),
            initial_cluster_token: given.text_of("initial-cluster-token").to_owned(),
            initial_advertise_peer_urls: given.text_of("initial-advertise-peer-urls").to_owned(),
            ..Options::default()
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::testing::given;

    fn restoring(words: &str) -> Result<RestoreOptions, Failure> {
        let words: Vec<_> = words.split(' ').collect();
        restore_options(&given(restore_command(), &words))
    }

    #[test]
    fn a_revision_is_raised_and_marked_together() {
        let options = restoring("restore f --bump-revision 9 --mark-compacted --name n").unwrap();
        assert_eq!(options.bump, NonZeroU64::new(9).map(RevisionBump));
        assert_eq!(
            (options.digest, options.member.name.as_str()),
            (Digest::Required, "n")
        );
        for words in [
            "restore f --bump-revision 9",
            "restore f --mark-compacted",
            "restore",
            "restore f g",
            "restore f --bump-revision=-1 --mark-compacted",
            "restore f --wal-dir w",
        ] {
            assert!(restoring(words).is_err(), "{words}");
        }
    }
}
