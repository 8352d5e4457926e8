use std::time::Duration;

use anyhow::{Context, Result, ensure};
use kv_proto::etcdserverpb::kv_client::KvClient;
use kv_proto::etcdserverpb::{PutRequest, RangeRequest};
use kv_tests::Cluster;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tonic::transport::Channel;

/// Requests that others have answered in a siege, at least.
const SERVED_MIN: usize = 20;

/// One member, and a client that means well and has to be served all the time.
pub(crate) struct Siege {
    pub(crate) cluster: Cluster,
    sockets: usize,
    stop: watch::Sender<bool>,
    honest: JoinHandle<Result<usize>>,
}

impl Siege {
    /// With flags for the member.
    pub(crate) async fn begin(flags: &[&str]) -> Result<Self> {
        let mut cluster = Cluster::new(1, flags)?;
        cluster.start_all().await?;
        let (stop, stopped) = watch::channel(false);
        let client = cluster.members[0].kv()?;
        put(&mut client.clone(), "honest", "0").await?;
        let mut siege = Self {
            honest: tokio::spawn(honest(client, stopped)),
            cluster,
            sockets: 0,
            stop,
        };
        siege.sockets = siege.sockets()?;
        Ok(siege)
    }

    /// Host and port of the clients' URL.
    pub(crate) fn address(&self) -> String {
        let url = &self.cluster.members[0].client_url;
        url.trim_start_matches("http://").to_owned()
    }

    /// The largest amount of memory the member has had, in MiB.
    pub(crate) fn peak_mib(&mut self) -> Result<u64> {
        kv_tests::peak_mib(self.pid()?)
    }

    fn pid(&mut self) -> Result<u32> {
        let process = self.cluster.members[0].process()?;
        process.pid().context("the member has ended")
    }

    fn sockets(&mut self) -> Result<usize> {
        let mut sockets = 0;
        for entry in std::fs::read_dir(format!("/proc/{}/fd", self.pid()?))? {
            let target = std::fs::read_link(entry?.path());
            sockets += usize::from(target.is_ok_and(|name| name.to_string_lossy().starts_with("socket:")));
        }
        Ok(sockets)
    }

    /// Waits until the honest client has been served some more.
    pub(crate) async fn serves(&self) -> Result<()> {
        let mut client = self.cluster.members[0].kv()?;
        for _ in 0..10 {
            put(&mut client, "other", "1").await?;
            get(&mut client, "other").await?;
        }
        Ok(())
    }

    /// The hostile clients are gone: checks that nothing is left of them, that the honest one was served all the
    /// time, and that the member never took more than `peak_mib_max` MiB.
    pub(crate) async fn end(mut self, peak_mib_max: u64) -> Result<()> {
        for attempt in 0.. {
            let (sockets, watchers) = (
                self.sockets()?,
                self.metric("etcd_debugging_mvcc_watcher_total").await?,
            );
            if sockets <= self.sockets && watchers == 0.0 {
                break;
            }
            ensure!(
                attempt < 300,
                "{sockets} sockets and {watchers} watchers are left; it began with {} sockets",
                self.sockets
            );
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        self.serves().await?;
        self.stop.send_replace(true);
        let served = (&mut self.honest).await?.context("the honest client failed")?;
        let peak = self.peak_mib()?;
        println!("peak {peak} MiB of {peak_mib_max}, {served} requests served");
        ensure!(peak <= peak_mib_max, "it took {peak} MiB of memory");
        Ok(())
    }

    async fn metric(&self, name: &str) -> Result<f64> {
        use tokio::io::{AsyncReadExt, AsyncWriteExt};

        let mut stream = tokio::net::TcpStream::connect(self.address()).await?;
        let request = b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
        stream.write_all(request).await?;
        let mut page = String::new();
        stream.read_to_string(&mut page).await?;
        let value = page
            .lines()
            .find_map(|line| line.strip_prefix(name)?.trim().parse().ok());
        value.with_context(|| format!("no {name} in:\n{page}"))
    }
}

/// Puts and gets until it is told to stop and was served often enough; how many.
async fn honest(mut client: KvClient<Channel>, stopped: watch::Receiver<bool>) -> Result<usize> {
    let mut served = 0;
    while served < SERVED_MIN || !*stopped.borrow() {
        let value = served.to_string();
        put(&mut client, "honest", &value).await?;
        ensure!(get(&mut client, "honest").await? == value, "a put was lost");
        served += 1;
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    Ok(served)
}

pub(crate) async fn put(client: &mut KvClient<Channel>, key: &str, value: &str) -> Result<()> {
    let request = PutRequest {
        key: key.to_owned().into(),
        value: value.to_owned().into(),
        ..PutRequest::default()
    };
    client.put(request).await?;
    Ok(())
}

async fn get(client: &mut KvClient<Channel>, key: &str) -> Result<String> {
    let request = RangeRequest {
        key: key.to_owned().into(),
        ..RangeRequest::default()
    };
    let found = client.range(request).await?.into_inner();
    let value = found.kvs.first().context("it is not there")?.value.to_vec();
    Ok(String::from_utf8(value)?)
}
