//! The server: flags in, a running member out. Everything else is in `kv-embed`.

mod allocator;
mod args;
mod descriptors;
mod logging;
mod screen;

use std::io::Write;
use std::process::ExitCode;

use kv_config::Config;
use kv_embed::{End, Member, StartError};
use tokio::signal::unix::{SignalKind, signal};

use crate::args::Request;

fn main() -> ExitCode {
    allocator::set_options();
    match args::parse(std::env::args().skip(1)) {
        Ok(Request::Version) => {
            print!("{}", screen::version());
            ExitCode::SUCCESS
        }
        Ok(Request::Serve(options)) => serve(&options),
        Err(refusal) if refusal.code == 0 => {
            print!("{}", refusal.text);
            ExitCode::SUCCESS
        }
        Err(refusal) => {
            eprint!("{}", refusal.text);
            ExitCode::from(refusal.code)
        }
    }
}

fn serve(options: &kv_config::Options) -> ExitCode {
    let result = Config::from_options(options)
        .map_err(anyhow::Error::from)
        .and_then(|config| {
            logging::init(config.log_level);
            descriptors::raise_limit();
            let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
            runtime.block_on(run(config))
        });
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("kvd: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Runs a member until a signal or a failure ends it.
async fn run(config: Config) -> anyhow::Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    println!("{}", screen::welcome(&config));
    std::io::stdout().flush()?;

    let start = Member::start(config);
    let member = tokio::select! {
        member = start => match member {
            Ok(member) => member,
            // As etcd: it has nothing to do any more, and must not be started again and again.
            Err(removed @ StartError::Removed) => {
                tracing::warn!(error = %removed, "server error");
                return Ok(());
            }
            Err(error) => return Err(error.into()),
        },
        _ = terminate.recv() => return Ok(()),
        _ = interrupt.recv() => return Ok(()),
    };
    let signal = tokio::select! {
        _ = terminate.recv() => "terminated",
        _ = interrupt.recv() => "interrupt",
        end = member.ended() => match end {
            End::Failed(reason) => anyhow::bail!("the member stopped: {reason}"),
            End::Removed => {
                tracing::warn!("the member has been permanently removed from the cluster; data-dir used by this member must be removed");
                member.shutdown().await;
                return Ok(());
            }
        },
    };
    tracing::info!(signal, "received signal; shutting down");
    member.shutdown().await;
    Ok(())
}
