use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use kv_client::{Client, Options};
use kv_proto::etcdserverpb::StatusRequest;
use kv_tests::Process;

use crate::host::{Disk, MEMBERS, address};

/// How long a member may take to say that it serves.
const READY_TIMEOUT: Duration = Duration::from_secs(60);
const CLIENT_PORT: u16 = 2379;
const PEER_PORT: u16 = 2380;

/// The server under fault.
#[derive(Clone, Debug)]
pub(crate) struct Server {
    pub(crate) binary: PathBuf,
}

/// One member: a process in a network namespace, on a file system of its own.
#[derive(Debug)]
pub(crate) struct Member {
    pub(crate) index: usize,
    pub(crate) disk: Disk,
    server: Server,
    process: Option<Process>,
}

impl Member {
    pub(crate) async fn new(dir: &Path, index: usize, server: Server) -> Result<Self> {
        Ok(Self {
            index,
            disk: Disk::new(dir, index).await?,
            server,
            process: None,
        })
    }

    /// Starts it, without waiting.
    ///
    /// # Errors
    /// If the program cannot be started.
    pub(crate) fn start(&mut self) -> Result<()> {
        let mut args = vec![
            format!("--net=/run/netns/m{}", self.index),
            self.server.binary.display().to_string(),
        ];
        args.extend(flags(self.index, self.disk.path()));
        self.process = Some(Process::start(Path::new("nsenter"), &args)?);
        Ok(())
    }

    /// Waits until it serves.
    ///
    /// # Errors
    /// If it does not, with what it printed.
    pub(crate) async fn ready(&mut self) -> Result<()> {
        let process = self.process.as_mut().context("a member that was started")?;
        process.ready(READY_TIMEOUT).await
    }

    /// Ends it with SIGKILL, if it runs.
    ///
    /// # Errors
    /// If the system refuses.
    pub(crate) async fn kill(&mut self) -> Result<()> {
        match self.process.take() {
            Some(mut process) => process.kill().await,
            None => Ok(()),
        }
    }

    /// Asks it to end, and waits until it has.
    ///
    /// # Errors
    /// If it does not end.
    pub(crate) async fn stop(&mut self) -> Result<()> {
        let mut process = self.process.take().context("a member that runs")?;
        process.terminate().await?;
        let ended = process.wait(READY_TIMEOUT).await;
        ended.map(drop).with_context(|| process.output().text())
    }

    pub(crate) async fn pause(&mut self) -> Result<()> {
        self.process.as_mut().context("a member that runs")?.pause().await
    }

    pub(crate) async fn resume(&mut self) -> Result<()> {
        self.process
            .as_mut()
            .context("a member that runs")?
            .resume()
            .await
    }

    /// What it printed last, if it has ended by itself.
    pub(crate) async fn last_words(&mut self) -> Option<String> {
        let process = self.process.as_mut()?;
        process.wait(Duration::from_millis(1)).await.ok()?;
        let text = process.output().text();
        self.process = None;
        let lines: Vec<&str> = text.lines().rev().take(12).collect();
        Some(lines.into_iter().rev().collect::<Vec<_>>().join("\n"))
    }
}

fn flags(index: usize, dir: &Path) -> Vec<String> {
    let client = format!("http://{}:{CLIENT_PORT}", address(index));
    let peer = |index| format!("http://{}:{PEER_PORT}", address(index));
    let cluster: Vec<String> = (0..MEMBERS)
        .map(|index| format!("m{index}={}", peer(index)))
        .collect();
    vec![
        format!("--name=m{index}"),
        format!("--data-dir={}", dir.join("data").display()),
        format!("--listen-client-urls={client}"),
        format!("--advertise-client-urls={client}"),
        format!("--listen-peer-urls={}", peer(index)),
        format!("--initial-advertise-peer-urls={}", peer(index)),
        format!("--initial-cluster={}", cluster.join(",")),
        // Snapshots come often, so that members which lag are sent them.
        "--snapshot-count=2000".to_owned(),
        "--watch-progress-notify-interval=1s".to_owned(),
    ]
}

/// The members.
#[derive(Debug)]
pub(crate) struct Cluster {
    pub(crate) members: Vec<Member>,
    clients: Vec<Client>,
}

impl Cluster {
    /// Makes file systems in `dir`, starts all members and waits until they serve.
    ///
    /// # Errors
    /// If one does not.
    pub(crate) async fn start(dir: &Path, server: &Server) -> Result<Self> {
        let mut members = Vec::new();
        for index in 0..MEMBERS {
            members.push(Member::new(dir, index, server.clone()).await?);
        }
        for member in &mut members {
            member.start()?;
        }
        for member in &mut members {
            member.ready().await?;
        }
        let clients = (0..MEMBERS)
            .map(|index| client(Some(index)))
            .collect::<Result<_>>()?;
        Ok(Self { members, clients })
    }

    /// Ends all members and unmounts their disks.
    ///
    /// # Errors
    /// If the system refuses.
    pub(crate) async fn remove(mut self) -> Result<()> {
        for member in &mut self.members {
            member.kill().await?;
            member.disk.unmount().await?;
        }
        Ok(())
    }

    /// A client of one member alone.
    pub(crate) fn client(&self, member: usize) -> &Client {
        &self.clients[member]
    }

    /// The member that says of itself that it leads.
    ///
    /// # Errors
    /// If there is none for 30 seconds.
    pub(crate) async fn leader(&self) -> Result<usize> {
        for _ in 0..300 {
            for (index, client) in self.clients.iter().enumerate() {
                let status =
                    tokio::time::timeout(Duration::from_millis(500), client.status(StatusRequest {}));
                if let Ok(Ok(status)) = status.await
                    && status
                        .header
                        .is_some_and(|header| header.member_id == status.leader)
                {
                    return Ok(index);
                }
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        bail!("no member leads for 30 seconds")
    }
}

/// A client of one member, or of all.
///
/// # Errors
/// If it cannot be made.
pub(crate) fn client(member: Option<usize>) -> Result<Client> {
    let members = match member {
        Some(member) => member..member + 1,
        None => 0..MEMBERS,
    };
    let mut options = Options::new(members.map(|index| format!("{}:{CLIENT_PORT}", address(index))));
    options.dial_timeout = Duration::from_millis(500);
    options.request_timeout = Some(Duration::from_secs(2));
    options.keepalive_time = Duration::from_secs(1);
    options.keepalive_timeout = Duration::from_secs(1);
    Ok(Client::new(&options)?)
}
