use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use kv_tests::{Process, free_ports};
use tempfile::TempDir;
use tonic::transport::{Channel, Endpoint};

/// The core the servers run on; the load has the other.
const SERVER_CORE: &str = "0";
const LOAD_CORE: &str = "1";

/// Where programs and data are.
pub(crate) struct Places {
    pub(crate) kvd: PathBuf,
    pub(crate) etcd: PathBuf,
    pub(crate) data: PathBuf,
}

/// Which server is measured.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Kind {
    Kvd,
    Etcd,
}

impl Places {
    pub(crate) fn binary(&self, kind: Kind) -> Result<PathBuf> {
        let path = match kind {
            Kind::Kvd => &self.kvd,
            Kind::Etcd => &self.etcd,
        };
        path.canonicalize()
            .with_context(|| format!("no server at {}", path.display()))
    }
}

/// Moves this process, with all its threads to come, to the load's core.
pub(crate) fn pin_this_process_to_load_core() -> Result<()> {
    let pid = std::process::id().to_string();
    let status = Command::new("taskset")
        .args(["-a", "-p", "-c", LOAD_CORE, &pid])
        .output()?
        .status;
    ensure!(status.success(), "taskset ended with {status}");
    Ok(())
}

/// Members of one kind, all on the servers' core.
pub(crate) struct Servers {
    members: Vec<Member>,
    _data: TempDir,
}

pub(crate) struct Member {
    pub(crate) url: String,
    pub(crate) data_dir: PathBuf,
    process: Process,
    binary: PathBuf,
    args: Vec<String>,
}

impl Servers {
    /// Starts a cluster of `size` and waits until each member serves.
    pub(crate) async fn start(places: &Places, kind: Kind, size: usize, extra: &[&str]) -> Result<Self> {
        let data = tempfile::tempdir_in(&places.data)?;
        let binary = places.binary(kind)?;
        let ports = free_ports::<10>();
        let peer = |index: usize| format!("http://127.0.0.1:{}", ports[index]);
        let cluster: Vec<String> = (0..size)
            .map(|index| format!("m{index}={}", peer(index)))
            .collect();
        let mut members = Vec::new();
        for index in 0..size {
            let url = format!("http://127.0.0.1:{}", ports[5 + index]);
            let data_dir = data.path().join(format!("m{index}"));
            let mut args = vec![
                format!("--name=m{index}"),
                format!("--data-dir={}", data_dir.display()),
                format!("--listen-client-urls={url}"),
                format!("--advertise-client-urls={url}"),
                format!("--listen-peer-urls={}", peer(index)),
                format!("--initial-advertise-peer-urls={}", peer(index)),
                format!("--initial-cluster={}", cluster.join(",")),
                "--quota-backend-bytes=8589934592".into(),
                "--log-level=warn".into(),
            ];
            args.extend(extra.iter().map(ToString::to_string));
            let process = start_pinned(&binary, &args)?;
            members.push(Member {
                url,
                data_dir,
                process,
                binary: binary.clone(),
                args,
            });
        }
        let servers = Self { members, _data: data };
        for member in &servers.members {
            member.wait_until_it_serves().await?;
        }
        Ok(servers)
    }

    pub(crate) fn members(&self) -> &[Member] {
        &self.members
    }

    pub(crate) fn members_mut(&mut self) -> &mut [Member] {
        &mut self.members
    }

    /// Ends all members.
    pub(crate) async fn stop(mut self) -> Result<()> {
        for member in &mut self.members {
            member.process.kill().await?;
        }
        Ok(())
    }
}

fn start_pinned(binary: &Path, args: &[String]) -> Result<Process> {
    // taskset becomes the server, so its process ID is the server's.
    let mut words = vec![
        "-c".to_owned(),
        SERVER_CORE.to_owned(),
        binary.display().to_string(),
    ];
    words.extend(args.iter().cloned());
    Process::start(Path::new("taskset"), &words)
}

impl Member {
    pub(crate) async fn channel(&self) -> Result<Channel> {
        let endpoint = Endpoint::from_shared(self.url.clone())?
            .tcp_nodelay(true)
            .connect_timeout(Duration::from_secs(1))
            .initial_stream_window_size(1 << 20)
            .initial_connection_window_size(8 << 20);
        Ok(endpoint.connect().await?)
    }

    /// A linearizable read answers once there is a leader.
    pub(crate) async fn wait_until_it_serves(&self) -> Result<()> {
        for _ in 0..200 {
            if let Ok(channel) = self.channel().await
                && crate::load::serves(channel).await
            {
                return Ok(());
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        anyhow::bail!(
            "{} does not serve; it printed:\n{}",
            self.url,
            self.process.output().text()
        )
    }

    pub(crate) async fn kill(&mut self) -> Result<()> {
        self.process.kill().await
    }

    pub(crate) fn restart(&mut self) -> Result<()> {
        self.process = start_pinned(&self.binary, &self.args)?;
        Ok(())
    }

    /// What the system counts of this process.
    pub(crate) fn usage(&self) -> Result<Usage> {
        let pid = self.process.pid().context("the server has ended")?;
        Usage::of(pid)
    }
}

/// What the system counts of a process.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Usage {
    /// CPU time, microseconds (in steps of a clock tick).
    pub(crate) cpu_micros: u64,
    /// Memory now.
    pub(crate) rss: u64,
    /// Most memory so far.
    pub(crate) rss_peak: u64,
}

/// Clock ticks per second in `/proc`, on every Linux there is.
const TICKS: u64 = 100;

impl Usage {
    fn of(pid: u32) -> Result<Self> {
        let read = |name: &str| std::fs::read_to_string(format!("/proc/{pid}/{name}"));
        let stat = read("stat")?;
        let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or("").split_whitespace().collect();
        let ticks = fields[11].parse::<u64>()? + fields[12].parse::<u64>()?;
        let field = |text: &str, name: &str| -> Result<u64> {
            let line = text.lines().find_map(|line| line.strip_prefix(name));
            let number = line.and_then(|line| line.split_whitespace().next());
            Ok(number.with_context(|| format!("no {name} for {pid}"))?.parse()?)
        };
        let status = read("status")?;
        Ok(Self {
            cpu_micros: ticks * 1_000_000 / TICKS,
            rss: field(&status, "VmRSS:")? * 1024,
            rss_peak: field(&status, "VmHWM:")? * 1024,
        })
    }
}

/// Bytes that files below a directory take on disk.
pub(crate) fn disk_bytes(dir: &Path) -> u64 {
    use std::os::unix::fs::MetadataExt;
    let Ok(entries) = std::fs::read_dir(dir) else {
        return 0;
    };
    entries
        .flatten()
        .map(|entry| match entry.metadata() {
            Ok(meta) if meta.is_dir() => disk_bytes(&entry.path()),
            Ok(meta) => meta.blocks() * 512,
            Err(_) => 0,
        })
        .sum()
}

/// Bytes written to the device that holds `path`, by whomever, since the system started. (What the system counts
/// for a process is no use: it counts whole folios of the page cache, up to megabytes for a write of one block.)
pub(crate) fn device_written(path: &Path) -> Result<u64> {
    use std::os::linux::fs::MetadataExt;
    let device = std::fs::metadata(path)?.st_dev();
    // As `makedev` packs them for all but very large numbers.
    let (major, minor) = (device >> 8 & 0xfff, (device & 0xff) | (device >> 12 & 0xfff00));
    let stat = std::fs::read_to_string(format!("/sys/dev/block/{major}:{minor}/stat"))?;
    let sectors: u64 = stat
        .split_whitespace()
        .nth(6)
        .context("the device has no count of sectors")?
        .parse()?;
    Ok(sectors * 512)
}
