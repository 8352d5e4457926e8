use std::path::PathBuf;

use clap::{Parser, ValueEnum};

/// Which server is put under fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Peer {
    Kvd,
    Etcd,
}

#[derive(Clone, Debug, Parser)]
#[command(
    name = "faults",
    about = "Runs three members under fault and checks what their clients saw; exits 1 on a violation"
)]
pub(crate) struct Args {
    /// How long the members are under fault
    #[arg(long, default_value_t = 2.0)]
    pub(crate) minutes: f64,
    /// Which faults come, in which order; what happens at the same time is the machine's
    #[arg(long)]
    pub(crate) seed: Option<u64>,
    /// The server under fault
    #[arg(long, value_enum, default_value_t = Peer::Kvd)]
    pub(crate) peer: Peer,
    /// Its program, if it is not the one that was built here
    #[arg(long)]
    pub(crate) binary: Option<PathBuf>,
    /// Only these kinds of faults, comma-separated
    #[arg(long, value_delimiter = ',')]
    pub(crate) only: Vec<String>,
    /// Where the members' disks are made, in a directory of the run's own
    #[arg(long, default_value = "target/faults")]
    pub(crate) dir: PathBuf,
    /// Tells what is missing on this machine, and ends
    #[arg(long)]
    pub(crate) requirements: bool,
    /// Set by the program for itself when namespaces are made: the process it was outside of them
    #[arg(long, hide = true)]
    pub(crate) inside: Option<u32>,
}
