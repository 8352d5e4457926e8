use std::time::Instant;

use clap::{ArgMatches, Command};
use kv_client::kv_proto::etcdserverpb::DefragmentRequest;

use super::endpoint::endpoints;
use crate::args::flag::{switch, words};
use crate::args::global::Settings;
use crate::failure::{Failure, code, describe};
use crate::print::Page;
use crate::text::duration::human;

pub(crate) fn command() -> Command {
    Command::new("defrag")
        .about("Returns unused space of the members behind the endpoints to their disks")
        .args([words(), switch("cluster", "Ask all members of the cluster")])
}

pub(crate) async fn run(given: &ArgMatches, settings: &Settings) -> Result<(), Failure> {
    let mut has_failed = false;
    for endpoint in endpoints(given, settings).await? {
        let started = Instant::now();
        let asked = async {
            settings
                .client_of(&endpoint)?
                .defragment(DefragmentRequest {})
                .await
        };
        let answered = asked.await;
        let took = human(started.elapsed());
        match answered {
            Ok(_) => {
                let mut page = Page::default();
                page.line(format!(
                    "Finished defragmenting etcd member[{endpoint}]. took {took}"
                ));
                page.print()?;
            }
            Err(error) => {
                let error = describe(&error);
                eprintln!("Failed to defragment etcd member[{endpoint}]. took {took}. ({error})");
                has_failed = true;
            }
        }
    }
    if has_failed {
        return Err(Failure::silent(code::ERROR));
    }
    Ok(())
}
