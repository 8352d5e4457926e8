use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use clap::Args;
use kv_proto::etcdserverpb::StatusRequest;
use kv_proto::etcdserverpb::kv_client::KvClient;
use kv_proto::etcdserverpb::maintenance_client::MaintenanceClient;

use crate::load::put;
use crate::servers::{Kind, Places, Servers};
use crate::stats::Spread;

#[derive(Args, Debug, Clone)]
pub(crate) struct Options {
    /// How many leaders are killed
    #[arg(long, default_value_t = 20)]
    runs: usize,
    /// Measure etcd instead
    #[arg(long)]
    measure_etcd: bool,
}

/// Kills the leader with SIGKILL, and takes the time until a put through another member is acknowledged.
pub(crate) async fn run(places: &Places, options: &Options) -> Result<()> {
    let kind = if options.measure_etcd {
        Kind::Etcd
    } else {
        Kind::Kvd
    };
    let mut servers = Servers::start(places, kind, 3, &[]).await?;
    let mut millis = Vec::new();
    for run in 0..options.runs {
        let leader = leader(&servers).await?;
        let other = &servers.members()[(leader + 1) % 3];
        let mut client = KvClient::new(other.channel().await?);
        client.put(put("warm".into(), 16, 0)).await?;
        let start = Instant::now();
        servers.members_mut()[leader].kill().await?;
        loop {
            let attempt = client.put(put(format!("failover/{run}"), 16, 0));
            // A short patience: a put lost with the old leader is asked again of the new one.
            if let Ok(Ok(_)) = tokio::time::timeout(Duration::from_millis(250), attempt).await {
                break;
            }
        }
        let taken = start.elapsed().as_secs_f64() * 1000.0;
        println!("run {} took_ms {taken:.0}", run + 1);
        millis.push(taken);
        servers.members_mut()[leader].restart()?;
        servers.members()[leader].wait_until_it_serves().await?;
    }
    let spread = Spread::of(millis);
    println!(
        "{kind:?}: runs {} election_timeout_ms 1000 failover_ms median {:.0} min {:.0} max {:.0}",
        options.runs, spread.median, spread.min, spread.max
    );
    servers.stop().await
}

async fn leader(servers: &Servers) -> Result<usize> {
    for _ in 0..100 {
        for (index, member) in servers.members().iter().enumerate() {
            let status = MaintenanceClient::new(member.channel().await?)
                .status(StatusRequest {})
                .await?
                .into_inner();
            if status
                .header
                .is_some_and(|header| header.member_id == status.leader)
            {
                return Ok(index);
            }
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    None.context("no leader for ten seconds")
}
