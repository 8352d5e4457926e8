use clap::{ArgMatches, Command};
use kv_client::kv_proto::etcdserverpb::CompactionRequest;

use crate::args::flag::{Given, switch, words};
use crate::args::global::Settings;
use crate::failure::{Failure, code};
use crate::print::Page;
use crate::text::number::decimal;

pub(crate) fn command() -> Command {
    Command::new("compaction")
        .about("Forgets history")
        .override_usage("kvctl compaction [OPTIONS] REVISION")
        .args([words(), switch("physical", "Wait until the space is free")])
}

fn request(given: &ArgMatches) -> Result<CompactionRequest, Failure> {
    let words = given.words_of();
    let [revision] = &words[..] else {
        return Err(Failure::new(
            code::BAD_ARGS,
            "compaction command needs 1 argument",
        ));
    };
    let revision = decimal(&String::from_utf8_lossy(revision));
    Ok(CompactionRequest {
        revision: revision.map_err(|error| Failure::new(code::ERROR, error))?,
        physical: given.on("physical"),
    })
}

pub(crate) async fn run(given: &ArgMatches, settings: &Settings) -> Result<(), Failure> {
    let request = request(given)?;
    let response = settings.client()?.compact(request).await;
    response.map_err(|error| Failure::call(code::ERROR, &error))?;
    // Whatever the format.
    let mut page = Page::default();
    page.line(format!("compacted revision {}", request.revision));
    page.print()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::testing::given;

    #[test]
    fn one_number_is_needed() {
        let asked = |words: &[&str]| request(&given(command(), words));
        let want = CompactionRequest {
            revision: 5,
            physical: true,
        };
        assert_eq!(asked(&["compaction", "5", "--physical"]), Ok(want));
        let want = Failure::new(code::BAD_ARGS, "compaction command needs 1 argument");
        assert_eq!(asked(&["compaction"]), Err(want));
        let want = Failure::new(code::ERROR, r#"strconv.ParseInt: parsing "x": invalid syntax"#);
        assert_eq!(asked(&["compaction", "x"]), Err(want));
    }
}
