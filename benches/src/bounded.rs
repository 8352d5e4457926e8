use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::Result;
use clap::Args;
use kv_proto::etcdserverpb::CompactionRequest;
use kv_proto::etcdserverpb::kv_client::KvClient;

use crate::load::{channels, put};
use crate::servers::{Kind, Places, Servers, disk_bytes};

#[derive(Args, Debug, Clone)]
pub(crate) struct Options {
    /// Gigabytes of values written in all
    #[arg(long, default_value_t = 10)]
    gigabytes: u64,
    /// Megabytes of values that are live
    #[arg(long, default_value_t = 500)]
    live_megabytes: u64,
    /// Measure etcd instead
    #[arg(long)]
    measure_etcd: bool,
}

const VALUE_BYTES: usize = 2048;
const WRITERS: usize = 64;

/// Overwrites live data many times while history is compacted, and prints what memory and disk came to.
pub(crate) async fn run(places: &Places, options: &Options) -> Result<()> {
    let kind = if options.measure_etcd {
        Kind::Etcd
    } else {
        Kind::Kvd
    };
    let servers = Servers::start(places, kind, 1, &[]).await?;
    let channels = channels(&servers).await?;
    let keys = options.live_megabytes * 1_000_000 / VALUE_BYTES as u64;
    let total = options.gigabytes * 1_000_000_000 / VALUE_BYTES as u64;
    let next = Arc::new(AtomicU64::new(0));
    let slowest = Arc::new(AtomicU64::new(0));
    let revision = Arc::new(AtomicU64::new(0));
    let stop = Arc::new(AtomicBool::new(false));

    let compactor = tokio::spawn(compact(
        KvClient::new(channels[0].clone()),
        Arc::clone(&revision),
        Arc::clone(&stop),
    ));
    let start = Instant::now();
    let writers: Vec<_> = (0..WRITERS)
        .map(|writer| {
            let mut client = KvClient::new(channels[writer % channels.len()].clone());
            let (next, slowest, revision) = (Arc::clone(&next), Arc::clone(&slowest), Arc::clone(&revision));
            tokio::spawn(async move {
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    if number >= total {
                        return anyhow::Ok(());
                    }
                    // A walk that comes to every key once per round, in no order.
                    let key = number.wrapping_mul(2_654_435_761) % keys;
                    let began = Instant::now();
                    let answer = client
                        .put(put(format!("/registry/live/{key:08}"), VALUE_BYTES, number))
                        .await?;
                    let micros = u64::try_from(began.elapsed().as_micros()).unwrap_or(u64::MAX);
                    slowest.fetch_max(micros, Ordering::Relaxed);
                    let at = answer.into_inner().header.map_or(0, |header| header.revision);
                    revision.fetch_max(at.cast_unsigned(), Ordering::Relaxed);
                }
            })
        })
        .collect();
    let mut disk_peak = 0;
    let member = &servers.members()[0];
    while !writers.iter().all(tokio::task::JoinHandle::is_finished) {
        tokio::time::sleep(Duration::from_secs(2)).await;
        let disk = disk_bytes(&member.data_dir);
        disk_peak = disk_peak.max(disk);
        let usage = member.usage()?;
        println!(
            "written_mb {} rss_mb {} disk_mb {} slowest_put_ms {:.1}",
            next.load(Ordering::Relaxed).min(total) * VALUE_BYTES as u64 / 1_000_000,
            usage.rss / 1_000_000,
            disk / 1_000_000,
            slowest.load(Ordering::Relaxed) as f64 / 1000.0
        );
    }
    for writer in writers {
        writer.await??;
    }
    let seconds = start.elapsed().as_secs_f64();
    stop.store(true, Ordering::Relaxed);
    compactor.await??;
    tokio::time::sleep(Duration::from_secs(10)).await;
    let usage = member.usage()?;
    println!(
        "{kind:?}: written_gb {} live_mb {} seconds {seconds:.0} puts_per_s {:.0} rss_peak_mb {} disk_peak_mb {} \
         disk_end_mb {} disk_end_per_live {:.2} slowest_put_ms {:.1}",
        options.gigabytes,
        options.live_megabytes,
        total as f64 / seconds,
        usage.rss_peak / 1_000_000,
        disk_peak / 1_000_000,
        disk_bytes(&member.data_dir) / 1_000_000,
        disk_bytes(&member.data_dir) as f64 / (options.live_megabytes as f64 * 1e6),
        slowest.load(Ordering::Relaxed) as f64 / 1000.0
    );
    servers.stop().await
}

/// Every two seconds, discards history up to what was current two seconds before.
async fn compact(
    mut client: KvClient<tonic::transport::Channel>,
    revision: Arc<AtomicU64>,
    stop: Arc<AtomicBool>,
) -> Result<()> {
    let mut before = 0;
    while !stop.load(Ordering::Relaxed) {
        tokio::time::sleep(Duration::from_secs(2)).await;
        if before > 0 {
            let request = CompactionRequest {
                revision: before,
                physical: false,
            };
            // The same revision twice is refused, and harmless.
            let _ = client.compact(request).await;
        }
        before = revision.load(Ordering::Relaxed).cast_signed();
    }
    Ok(())
}
