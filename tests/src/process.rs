use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use tokio::io::{AsyncBufReadExt, AsyncRead, BufReader};
use tokio::process::{Child, Command};
use tokio::sync::watch;

/// The server under test.
///
/// # Errors
/// If it is not there, with what to do.
pub fn server_binary() -> Result<PathBuf> {
    let default = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/release/kvd");
    let path = std::env::var_os("KVD_BIN").map_or_else(default, PathBuf::from);
    let absolute = path.canonicalize();
    absolute.with_context(|| {
        format!(
            "no server at {}: run cargo build --release, or set KVD_BIN",
            path.display()
        )
    })
}

/// What a server has printed so far.
#[derive(Clone, Debug, Default)]
pub struct Output(Arc<Mutex<String>>);

impl Output {
    /// All lines.
    ///
    /// # Panics
    /// Never: nothing panics while the text is locked.
    pub fn text(&self) -> String {
        self.0.lock().expect("nothing panics while it is held").clone()
    }

    fn push(&self, line: &str) {
        let mut text = self.0.lock().expect("nothing panics while it is held");
        text.push_str(line);
        text.push('\n');
    }
}

/// A server process, killed when dropped.
#[derive(Debug)]
pub struct Process {
    child: Child,
    output: Output,
    ready: watch::Receiver<bool>,
}

impl Process {
    /// Starts `binary` with `args`.
    ///
    /// # Errors
    /// If the program cannot be started.
    pub fn start(binary: &Path, args: &[String]) -> Result<Self> {
        let mut child = Command::new(binary)
            .args(args)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("start {}", binary.display()))?;
        let output = Output::default();
        let (sender, ready) = watch::channel(false);
        let sender = Arc::new(sender);
        collect(
            child.stdout.take().context("stdout is piped")?,
            output.clone(),
            Arc::clone(&sender),
        );
        collect(
            child.stderr.take().context("stderr is piped")?,
            output.clone(),
            sender,
        );
        Ok(Self { child, output, ready })
    }

    /// Waits until the server says that it serves.
    ///
    /// # Errors
    /// If it ends before, or says nothing within `timeout`; with what it printed.
    pub async fn ready(&mut self, timeout: Duration) -> Result<()> {
        let mut ready = self.ready.clone();
        let said = tokio::time::timeout(timeout, ready.wait_for(|ready| *ready)).await;
        match said {
            Ok(Ok(_)) => Ok(()),
            _ => bail!(
                "the server is not ready after {timeout:?}; it printed:\n{}",
                self.output.text()
            ),
        }
    }

    /// Waits for the end of the process, and of what it prints.
    ///
    /// # Errors
    /// If it does not end within `timeout`.
    pub async fn wait(&mut self, timeout: Duration) -> Result<ExitStatus> {
        let status = tokio::time::timeout(timeout, self.child.wait()).await;
        let status = status.with_context(|| format!("the server still runs after {timeout:?}"))??;
        // The senders go with the ends of its streams, which comes as an error.
        let _ = self.ready.wait_for(|_| false).await;
        Ok(status)
    }

    /// Ends the process at once, as a power switch would for the process alone, and waits for its end.
    ///
    /// # Errors
    /// If the system refuses.
    pub async fn kill(&mut self) -> Result<()> {
        Ok(self.child.kill().await?)
    }

    /// Asks the process to end.
    ///
    /// # Errors
    /// If the signal cannot be sent.
    pub async fn terminate(&mut self) -> Result<()> {
        self.signal("TERM").await
    }

    /// Stops the process where it is, as the host of a virtual machine would.
    ///
    /// # Errors
    /// If the signal cannot be sent.
    pub async fn pause(&mut self) -> Result<()> {
        self.signal("STOP").await
    }

    /// Lets a paused process go on.
    ///
    /// # Errors
    /// If the signal cannot be sent.
    pub async fn resume(&mut self) -> Result<()> {
        self.signal("CONT").await
    }

    async fn signal(&mut self, name: &str) -> Result<()> {
        let pid = self.child.id().context("the process has ended already")?;
        let status = Command::new("kill")
            .args([&format!("-{name}"), &pid.to_string()])
            .status()
            .await?;
        if !status.success() {
            bail!("kill -{name} {pid} ended with {status}");
        }
        Ok(())
    }

    /// The process ID, while it runs.
    pub fn pid(&self) -> Option<u32> {
        self.child.id()
    }

    /// What it has printed.
    pub fn output(&self) -> &Output {
        &self.output
    }
}

fn collect(stream: impl AsyncRead + Unpin + Send + 'static, output: Output, ready: Arc<watch::Sender<bool>>) {
    tokio::spawn(async move {
        let mut lines = BufReader::new(stream).lines();
        while let Ok(Some(line)) = lines.next_line().await {
            if line.contains("ready to serve client requests") {
                ready.send_replace(true);
            }
            output.push(&line);
        }
    });
}
