use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use kv_proto::etcdserverpb::cluster_client::ClusterClient;
use kv_proto::etcdserverpb::kv_client::KvClient;
use kv_proto::etcdserverpb::maintenance_client::MaintenanceClient;
use kv_proto::etcdserverpb::{self, MemberAddRequest, MemberListRequest, MemberRemoveRequest, StatusRequest};
use tempfile::TempDir;
use tonic::Code;
use tonic::transport::{Channel, Endpoint};

use crate::{Process, free_ports, server_binary};

fn free_url() -> String {
    let [port] = free_ports::<1>();
    format!("http://127.0.0.1:{port}")
}

/// How long a member may take to say that it serves.
const READY_TIMEOUT: Duration = Duration::from_secs(20);

/// One member: its place, its flags, and its process while it runs.
#[derive(Debug)]
pub struct Member {
    /// Its name.
    pub name: String,
    /// Where clients reach it.
    pub client_url: String,
    /// Where the other members reach it.
    pub peer_url: String,
    /// Its data directory.
    pub data_dir: PathBuf,
    /// Its flags; of one that is given twice the last counts.
    pub args: Vec<String>,
    process: Option<Process>,
}

impl Member {
    /// Starts it, without waiting.
    ///
    /// # Errors
    /// If the program cannot be started.
    pub fn start(&mut self) -> Result<()> {
        self.process = Some(Process::start(&server_binary()?, &self.args)?);
        Ok(())
    }

    /// Starts it by `command`, a program and its arguments that run what follows them.
    ///
    /// # Errors
    /// If the program cannot be started.
    pub fn start_by(&mut self, command: &[String]) -> Result<()> {
        let (program, first) = command.split_first().context("a program")?;
        let binary = server_binary()?.display().to_string();
        let args = [first, &[binary], &self.args].concat();
        self.process = Some(Process::start(Path::new(program), &args)?);
        Ok(())
    }

    /// Starts it, expecting that it refuses to; what it printed.
    ///
    /// # Errors
    /// If it does not end by itself, or ends without a failure.
    pub async fn refusal(&mut self) -> Result<String> {
        let mut process = Process::start(&server_binary()?, &self.args)?;
        let status = process.wait(READY_TIMEOUT).await;
        let text = process.output().text();
        ensure!(
            !status.with_context(|| text.clone())?.success(),
            "it ended well:\n{text}"
        );
        Ok(text)
    }

    /// Waits until it serves.
    ///
    /// # Errors
    /// If it does not, or was not started.
    pub async fn ready(&mut self) -> Result<()> {
        self.process()?.ready(READY_TIMEOUT).await
    }

    /// Ends it with SIGKILL.
    ///
    /// # Errors
    /// If it does not run.
    pub async fn kill(&mut self) -> Result<()> {
        self.process()?.kill().await?;
        self.process = None;
        Ok(())
    }

    /// Its process.
    ///
    /// # Errors
    /// If it does not run.
    pub fn process(&mut self) -> Result<&mut Process> {
        self.process
            .as_mut()
            .with_context(|| format!("{} does not run", self.name))
    }

    /// A connection made on first use, and again after the member was away.
    ///
    /// # Errors
    /// If the URL is none.
    pub fn channel(&self) -> Result<Channel> {
        let endpoint = Endpoint::from_shared(self.client_url.clone())?;
        Ok(endpoint
            .connect_timeout(Duration::from_secs(2))
            .tcp_nodelay(true)
            .connect_lazy())
    }

    /// A client for keys.
    ///
    /// # Errors
    /// As [`Member::channel`].
    pub fn kv(&self) -> Result<KvClient<Channel>> {
        Ok(KvClient::new(self.channel()?))
    }

    /// A client for the membership.
    ///
    /// # Errors
    /// As [`Member::channel`].
    pub fn cluster(&self) -> Result<ClusterClient<Channel>> {
        Ok(ClusterClient::new(self.channel()?))
    }

    /// The members as this one knows them, without asking others.
    ///
    /// # Errors
    /// If it does not answer.
    pub async fn listed(&self) -> Result<Vec<etcdserverpb::Member>> {
        let request = MemberListRequest { linearizable: false };
        Ok(self.cluster()?.member_list(request).await?.into_inner().members)
    }

    /// Its ID.
    ///
    /// # Errors
    /// If it does not answer.
    pub async fn id(&self) -> Result<u64> {
        let status = MaintenanceClient::new(self.channel()?)
            .status(StatusRequest {})
            .await?;
        let header = status.into_inner().header.context("a header")?;
        Ok(header.member_id)
    }

    /// Waits for the end of its process, which must come by itself; what it printed.
    ///
    /// # Errors
    /// If it does not end in time, or not well.
    pub async fn ends_well(&mut self) -> Result<String> {
        let process = self.process()?;
        let status = process.wait(READY_TIMEOUT).await?;
        let text = process.output().text();
        ensure!(status.success(), "{status}:\n{text}");
        self.process = None;
        Ok(text)
    }

    /// Whether it says that it leads.
    ///
    /// # Errors
    /// If it does not answer.
    pub async fn is_leader(&self) -> Result<bool> {
        let status = MaintenanceClient::new(self.channel()?)
            .status(StatusRequest {})
            .await?
            .into_inner();
        Ok(status
            .header
            .is_some_and(|header| header.member_id == status.leader))
    }
}

/// Members that make a cluster together, with their data in a directory that goes with them.
#[derive(Debug)]
pub struct Cluster {
    /// The members.
    pub members: Vec<Member>,
    extra: Vec<String>,
    data: TempDir,
}

impl Cluster {
    /// Prepares `size` members with `extra` flags for each; none is started yet.
    ///
    /// # Errors
    /// If there is no room for data.
    pub fn new(size: usize, extra: &[&str]) -> Result<Self> {
        let mut cluster = Self {
            members: Vec::new(),
            extra: extra.iter().map(ToString::to_string).collect(),
            data: tempfile::tempdir()?,
        };
        let urls: Vec<String> = (0..size).map(|_| free_url()).collect();
        let named = |(index, url): (usize, &String)| format!("m{index}={url}");
        let initial: Vec<String> = urls.iter().enumerate().map(named).collect();
        for (index, url) in urls.iter().enumerate() {
            let member = cluster.prepare(&format!("m{index}"), url, &initial.join(","));
            cluster.members.push(member);
        }
        Ok(cluster)
    }

    /// A member that is not started yet, and not among [`Cluster::members`]; its data directory may be there.
    #[must_use]
    pub fn prepare(&self, name: &str, peer_url: &str, initial_cluster: &str) -> Member {
        let client_url = free_url();
        let data_dir = self.data.path().join(name);
        let mut args = vec![
            format!("--name={name}"),
            format!("--data-dir={}", data_dir.display()),
            format!("--listen-client-urls={client_url}"),
            format!("--advertise-client-urls={client_url}"),
            format!("--listen-peer-urls={peer_url}"),
            format!("--initial-advertise-peer-urls={peer_url}"),
            format!("--initial-cluster={initial_cluster}"),
        ];
        args.extend(self.extra.iter().cloned());
        Member {
            name: name.into(),
            client_url,
            peer_url: peer_url.into(),
            data_dir,
            args,
            process: None,
        }
    }

    /// Has the member `at` add one under a new URL, and prepares that one, as the last: it is not started yet. Its ID.
    ///
    /// # Errors
    /// If the cluster refuses.
    pub async fn add(&mut self, at: usize, name: &str, learner: bool) -> Result<u64> {
        let peer_url = free_url();
        let request = MemberAddRequest {
            peer_ur_ls: vec![peer_url.clone()],
            is_learner: learner,
        };
        let added = self.members[at]
            .cluster()?
            .member_add(request)
            .await?
            .into_inner();
        let id = added.member.context("the member that was added")?.id;
        let named = |member: etcdserverpb::Member| {
            let known = if member.id == id {
                name.to_owned()
            } else {
                member.name
            };
            let urls = member.peer_ur_ls.into_iter();
            urls.map(move |url| format!("{known}={url}")).collect::<Vec<_>>()
        };
        let initial: Vec<String> = added.members.into_iter().flat_map(named).collect();
        let mut member = self.prepare(name, &peer_url, &initial.join(","));
        member.args.push("--initial-cluster-state=existing".into());
        self.members.push(member);
        Ok(id)
    }

    /// Has the member `at` remove the one with this ID.
    ///
    /// # Errors
    /// If the cluster refuses.
    pub async fn remove(&self, at: usize, id: u64) -> Result<()> {
        let mut cluster = self.members[at].cluster()?;
        let until = Instant::now() + Duration::from_secs(60);
        loop {
            let removed = cluster.member_remove(MemberRemoveRequest { id }).await;
            match removed {
                Ok(_) => return Ok(()),
                // Whether it was done is not known, as while there is no leader.
                Err(status) if status.code() == Code::Unavailable && Instant::now() < until => {}
                Err(status) if status.code() == Code::NotFound => return Ok(()),
                Err(status) => return Err(status.into()),
            }
        }
    }

    /// Prepares members, starts them, and waits until all serve.
    ///
    /// # Errors
    /// If one does not.
    pub async fn started(size: usize) -> Result<Self> {
        let mut cluster = Self::new(size, &[])?;
        cluster.start_all().await?;
        Ok(cluster)
    }

    /// Starts all members and waits until they serve.
    ///
    /// # Errors
    /// If one does not.
    pub async fn start_all(&mut self) -> Result<()> {
        for member in &mut self.members {
            member.start()?;
        }
        for member in &mut self.members {
            member.ready().await?;
        }
        Ok(())
    }

    /// The index of the member that leads, waiting for one if need be.
    ///
    /// # Errors
    /// If none leads for 15 seconds.
    pub async fn leader(&self) -> Result<usize> {
        for _ in 0..300 {
            for (index, member) in self.members.iter().enumerate() {
                if member.process.is_some() && member.is_leader().await.unwrap_or(false) {
                    return Ok(index);
                }
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        anyhow::bail!("no leader for 15 seconds")
    }
}
