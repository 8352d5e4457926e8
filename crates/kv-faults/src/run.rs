use std::path::PathBuf;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, bail};
use kv_tests::{Random, server_binary};
use tokio::time::timeout;

use crate::args::{Args, Peer};
use crate::clients::{Clock, everything};
use crate::cluster::{Cluster, Server, client};
use crate::host::Network;
use crate::nemesis::{Kind, Nemesis, Times};
use crate::round::{Report, Start, round};

/// Length of a round's faults: what it leaves to check fits into memory and takes seconds.
const ROUND: Duration = Duration::from_secs(60);
/// How long a round may take in all: its faults, healing, and the check.
const ROUND_MAX: Duration = Duration::from_secs(600);
/// Violations that are printed of one round, and how much of each.
const SHOWN: usize = 10;
const SHOWN_CHARS: usize = 1500;

/// Puts the members under fault for the time asked for; whether there was no violation.
///
/// # Errors
/// If the run cannot be carried through.
pub(crate) fn run(args: &Args) -> Result<bool> {
    // Clients run on this thread, the relay on the other: a check that computes holds up no packet.
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()?;
    tokio::task::LocalSet::new().block_on(&runtime, async {
        tokio::select! {
            result = faults(args) => result,
            _ = tokio::signal::ctrl_c() => bail!("interrupted"),
        }
    })
}

#[derive(Default)]
struct Totals {
    operations: usize,
    unknown: usize,
    events: usize,
    searched: usize,
    undecided: usize,
    violations: usize,
}

impl Totals {
    fn add(&mut self, report: &Report) {
        self.operations += report.operations;
        self.unknown += report.unknown;
        self.events += report.events;
        self.searched += report.verdict.searched;
        self.undecided += report.verdict.undecided;
        for violation in report.verdict.violations.iter().take(SHOWN) {
            let text = violation.to_string();
            println!("VIOLATION {}", text.chars().take(SHOWN_CHARS).collect::<String>());
        }
        self.violations += report.verdict.violations.len();
    }
}

async fn faults(args: &Args) -> Result<bool> {
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH)?;
    let seed = args.seed.unwrap_or(since_epoch.as_secs());
    let server = server(args)?;
    println!(
        "faults seed {seed} server {} network relay over TUN",
        server.binary.display()
    );
    let run = args.inside.unwrap_or_default();
    let dir = make_dir(args.dir.join(run.to_string()))?;
    let network = Network::new(seed).await?;
    let mut cluster = Cluster::start(&dir, &server).await?;
    cluster.leader().await?;

    let mut nemesis = Nemesis {
        kinds: kinds(args)?,
        random: Random::new(seed),
        peer: args.peer,
        times: Times::default(),
        violations: Vec::new(),
        had: Vec::new(),
    };
    let clock = Clock::start();
    let end = Duration::from_secs_f64(args.minutes * 60.0);
    let (revision, state) = everything(&client(None)?).await?;
    let mut start = Start {
        revision,
        state,
        open: Vec::new(),
    };
    let mut totals = Totals::default();
    let mut under_fault = Duration::ZERO;
    for number in 1.. {
        let begun = clock.now();
        let length = ROUND.min(end.saturating_sub(under_fault));
        let work = round(
            number,
            start,
            &mut cluster,
            &network,
            &mut nemesis,
            clock,
            begun + length,
        );
        let mut report = timeout(ROUND_MAX, work).await.context("a round ends in time")??;
        report.verdict.violations.append(&mut nemesis.violations);
        println!(
            "round {number} operations {} unknown {} events {} violations {}",
            report.operations,
            report.unknown,
            report.events,
            report.verdict.violations.len()
        );
        totals.add(&report);
        start = report.next;
        under_fault += length;
        if under_fault >= end {
            break;
        }
    }
    println!("{}", network.counts());
    nemesis.times.print();
    println!(
        "unknown {} events {} keys searched {} undecided {}",
        totals.unknown, totals.events, totals.searched, totals.undecided
    );
    println!(
        "minutes {:.0} operations {} faults {} violations {}",
        args.minutes,
        totals.operations,
        nemesis.times.faults(),
        totals.violations
    );
    if totals.violations > 0 {
        println!("the members' disks are kept in {}", dir.display());
        return Ok(false);
    }
    cluster.remove().await?;
    std::fs::remove_dir_all(&dir).with_context(|| format!("remove {}", dir.display()))?;
    Ok(true)
}

fn server(args: &Args) -> Result<Server> {
    let binary = match (&args.binary, args.peer) {
        (Some(binary), _) => binary.clone(),
        (None, Peer::Kvd) => server_binary()?,
        (None, Peer::Etcd) => PathBuf::from("target/peers/bin/etcd"),
    };
    let binary = binary
        .canonicalize()
        .with_context(|| format!("no server at {}", binary.display()))?;
    Ok(Server { binary })
}

/// An empty directory for the disks of this run.
fn make_dir(dir: PathBuf) -> Result<PathBuf> {
    if dir.exists() {
        std::fs::remove_dir_all(&dir)?;
    }
    std::fs::create_dir_all(&dir)?;
    Ok(dir.canonicalize()?)
}

fn kinds(args: &Args) -> Result<Vec<Kind>> {
    if args.only.is_empty() {
        return Ok(Kind::ALL.to_vec());
    }
    let kind = |name: &String| {
        let found = Kind::ALL.into_iter().find(|kind| kind.name() == name);
        found.with_context(|| {
            let names: Vec<&str> = Kind::ALL.iter().map(|kind| kind.name()).collect();
            format!("no fault {name}: there are {}", names.join(", "))
        })
    };
    args.only.iter().map(kind).collect()
}
