use std::time::Duration;

use anyhow::Result;
use clap::Args;

use crate::cases::{self, Case};
use crate::load::channels;
use crate::servers::{Kind, Places, Servers, Usage, device_written};
use crate::stats::{Spread, short};

#[derive(Args, Debug, Clone)]
pub(crate) struct Options {
    /// Sizes of the clusters to measure
    #[arg(long, value_delimiter = ',', default_values_t = [1, 3])]
    nodes: Vec<usize>,
    /// How often each server is measured
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// Seconds each load counts
    #[arg(long, default_value_t = 3)]
    seconds: u64,
    /// Only rows whose name contains this
    #[arg(long)]
    only: Option<String>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            nodes: vec![1, 3],
            rounds: 3,
            seconds: 3,
            only: None,
        }
    }
}

/// The figures of one server in one round.
#[derive(Default)]
struct Figures {
    idle_rss: f64,
    /// With the keys that lists and counts find: the same data on both.
    filled_rss: f64,
    peak_rss: f64,
    rows: Vec<Row>,
}

struct Row {
    case: Case,
    per_second: f64,
    cpu_micros: f64,
    written: f64,
}

pub(crate) async fn run(places: &Places, options: &Options) -> Result<()> {
    for nodes in &options.nodes {
        let mut kvd = Vec::new();
        let mut etcd = Vec::new();
        for round in 0..options.rounds {
            eprintln!("{nodes} node(s), round {} of {}", round + 1, options.rounds);
            kvd.push(measure(places, Kind::Kvd, *nodes, options).await?);
            etcd.push(measure(places, Kind::Etcd, *nodes, options).await?);
        }
        print(*nodes, &kvd, &etcd);
    }
    Ok(())
}

async fn measure(places: &Places, kind: Kind, nodes: usize, options: &Options) -> Result<Figures> {
    let servers = Servers::start(places, kind, nodes, &[]).await?;
    tokio::time::sleep(Duration::from_secs(1)).await;
    let mut figures = Figures {
        idle_rss: total(&servers)?.rss as f64 / nodes as f64,
        ..Figures::default()
    };
    let channels = channels(&servers).await?;
    cases::prepare(&channels).await?;
    tokio::time::sleep(Duration::from_secs(1)).await;
    figures.filled_rss = total(&servers)?.rss as f64 / nodes as f64;
    for case in cases::ALL {
        if options
            .only
            .as_ref()
            .is_some_and(|only| !case.name().contains(only))
        {
            continue;
        }
        let (before, device_before) = (total(&servers)?, device_written(&places.data)?);
        let achieved = case.run(&channels, Duration::from_secs(options.seconds)).await?;
        let (after, device_after) = (total(&servers)?, device_written(&places.data)?);
        // The half second of warming up is in the usage but not in the operations: scaled out.
        let share = match case {
            Case::Watch => 1.0,
            _ => options.seconds as f64 / (options.seconds as f64 + 0.5),
        };
        let operations = achieved.operations.max(1) as f64;
        figures.rows.push(Row {
            case: *case,
            per_second: achieved.per_second,
            cpu_micros: (after.cpu_micros - before.cpu_micros) as f64 * share / operations,
            written: (device_after - device_before) as f64 * share / operations,
        });
    }
    figures.peak_rss = total(&servers)?.rss_peak as f64 / nodes as f64;
    servers.stop().await?;
    Ok(figures)
}

/// All members together.
fn total(servers: &Servers) -> Result<Usage> {
    let mut sum = Usage::default();
    for member in servers.members() {
        let usage = member.usage()?;
        sum.cpu_micros += usage.cpu_micros;
        sum.rss += usage.rss;
        sum.rss_peak += usage.rss_peak;
    }
    Ok(sum)
}

fn print(nodes: usize, kvd: &[Figures], etcd: &[Figures]) {
    println!(
        "\n{nodes} node(s): kvd against etcd, median of {} rounds (lowest to highest ratio)",
        kvd.len()
    );
    println!("{:<36}{:>10}{:>10}{:>8}   spread", "", "kvd", "etcd", "ratio");
    let rows = kvd.first().map_or(0, |figures| figures.rows.len());
    for row in 0..rows {
        let case = kvd[0].rows[row].case;
        let name = case.name();
        line(&format!("{name}, per second"), kvd, etcd, |figures| {
            figures.rows[row].per_second
        });
        line(&format!("{name}, CPU µs"), kvd, etcd, |figures| {
            figures.rows[row].cpu_micros
        });
        if case.is_put() {
            line(&format!("{name}, bytes written"), kvd, etcd, |figures| {
                figures.rows[row].written
            });
        }
    }
    line("idle RSS per member", kvd, etcd, |figures| figures.idle_rss);
    line("RSS per member with 100k keys", kvd, etcd, |figures| {
        figures.filled_rss
    });
    line("peak RSS per member", kvd, etcd, |figures| figures.peak_rss);
}

fn line(name: &str, kvd: &[Figures], etcd: &[Figures], figure: impl Fn(&Figures) -> f64) {
    let of = |all: &[Figures]| Spread::of(all.iter().map(&figure).collect());
    let ratios = kvd
        .iter()
        .zip(etcd)
        .map(|(kvd, etcd)| figure(kvd) / figure(etcd).max(1e-9))
        .collect();
    let (kvd, etcd, ratio) = (of(kvd), of(etcd), Spread::of(ratios));
    println!(
        "{name:<36}{:>10}{:>10}{:>7.2}x   {:.2} to {:.2}",
        short(kvd.median),
        short(etcd.median),
        ratio.median,
        ratio.min,
        ratio.max
    );
}
