//! Transactions, read from standard input: comparisons, what to do if they hold, what to do if one does not. Each of
//! the three parts ends with an empty line.

mod compare;
mod operation;

use std::io::BufRead;

use clap::{ArgMatches, Command};
use kv_client::kv_proto::etcdserverpb::TxnRequest;

use crate::args::flag::{Given, switch, words};
use crate::args::global::Settings;
use crate::failure::{Failure, code};
use crate::print::Done;

pub(crate) fn command() -> Command {
    Command::new("txn")
        .about("Runs a transaction that is read from standard input")
        .override_usage("kvctl txn [OPTIONS]")
        .after_help(
            "The input is comparisons, then what to do if all hold, then what to do if not; an empty line ends each \
             of the three:\n\n  version(\"lock\") = \"0\"\n\n  put lock \"mine\"\n  get queue --prefix\n\n  \
             get lock\n\n\
             What is compared is version (ver), create (c), mod (m), value (val) or lease, with =, !=, < or >.",
        )
        .args([
            words(),
            switch("interactive", "Say what to enter").short('i'),
        ])
}

pub(crate) async fn run(given: &ArgMatches, settings: &Settings) -> Result<(), Failure> {
    if !given.words_of().is_empty() {
        let text = "txn command does not accept argument";
        return Err(Failure::new(code::BAD_ARGS, text));
    }
    settings.style.check::<Done>()?;
    let client = settings.patient_client()?;
    let request = read(&mut std::io::stdin().lock(), given.on("interactive")).await?;
    settings.check_size(&request)?;
    let response = client.txn(request).await;
    let response = response.map_err(|error| Failure::call(code::ERROR, &error))?;
    settings.style.render(&Done(response)).print()
}

async fn read(input: &mut dyn BufRead, is_interactive: bool) -> Result<TxnRequest, Failure> {
    let prompt = |text| {
        if is_interactive {
            println!("{text}");
        }
    };
    let mut request = TxnRequest::default();
    prompt("compares:");
    while let Some(line) = next_line(input)? {
        let compare = compare::parse(&line).map_err(|text| Failure::new(code::INVALID_INPUT, text))?;
        request.compare.push(compare);
    }
    prompt("success requests (get, put, del):");
    while let Some(line) = next_line(input)? {
        request.success.push(operation::parse(&line, input).await?);
    }
    prompt("failure requests (get, put, del):");
    while let Some(line) = next_line(input)? {
        request.failure.push(operation::parse(&line, input).await?);
    }
    Ok(request)
}

/// The next line without the white space around it; none if that leaves nothing.
fn next_line(input: &mut dyn BufRead) -> Result<Option<Vec<u8>>, Failure> {
    let mut line = Vec::new();
    let read = input.read_until(b'\n', &mut line);
    match read {
        Ok(_) if line.ends_with(b"\n") => {
            let line = line.trim_ascii();
            Ok((!line.is_empty()).then(|| line.to_vec()))
        }
        Ok(_) => Err(Failure::new(code::INVALID_INPUT, "EOF")),
        Err(error) => Err(Failure::new(code::INVALID_INPUT, error)),
    }
}

#[cfg(test)]
mod tests {
    use kv_client::kv_proto::etcdserverpb::request_op::Request;

    use super::*;

    async fn txn(text: &str) -> Result<TxnRequest, Failure> {
        read(&mut text.as_bytes(), false).await
    }

    #[tokio::test]
    async fn the_three_parts_end_with_empty_lines() {
        let text = "mod(\"a\") > \"0\"\n  \nput a 1\n get a \n\ndel zz\n\nwhat follows is not read";
        let request = txn(text).await.unwrap();
        assert_eq!(request.compare.len(), 1);
        assert_eq!(request.success.len(), 2);
        assert!(matches!(
            &request.failure[0].request,
            Some(Request::RequestDeleteRange(_))
        ));
        assert_eq!(txn("\n\n\n").await, Ok(TxnRequest::default()));
    }

    #[tokio::test]
    async fn an_input_that_ends_early_is_refused() {
        for text in ["", "mod(\"a\") > \"0\"", "\n\n", "\n\nput a b"] {
            assert_eq!(
                txn(text).await,
                Err(Failure::new(code::INVALID_INPUT, "EOF")),
                "{text}"
            );
        }
    }
}
