//! The tests with real peers: scripts under `tests/peers`, each against the server in `KVD_BIN`.

use anyhow::Result;

use crate::run::{Suite, command, succeeds};

struct Peer {
    name: &'static str,
    script: &'static str,
    args: &'static [&'static str],
    needs: Tool,
}

#[derive(Clone, Copy, PartialEq)]
enum Tool {
    Go,
    Python,
}

const PEERS: &[Peer] = &[
    Peer {
        name: "Go client: conformance cases",
        script: "conformance/run.sh",
        args: &[],
        needs: Tool::Go,
    },
    Peer {
        name: "etcdctl",
        script: "etcdctl/run.sh",
        args: &[],
        needs: Tool::Go,
    },
    Peer {
        name: "kvctl beside etcdctl",
        script: "kvctl/run.sh",
        args: &[],
        needs: Tool::Go,
    },
    Peer {
        name: "snapshots to a real etcd and back",
        script: "snapshot/run.sh",
        args: &[],
        needs: Tool::Go,
    },
    Peer {
        name: "JSON gateway beside etcd's",
        script: "gateway/run.sh",
        args: &[],
        needs: Tool::Go,
    },
    Peer {
        name: "Python client",
        script: "python/run.sh",
        args: &[],
        needs: Tool::Python,
    },
    Peer {
        name: "Kubernetes' storage suites",
        script: "k8s-storage/run.sh",
        args: &[],
        needs: Tool::Go,
    },
    Peer {
        name: "kube-apiserver on one member",
        script: "k8s/run.sh",
        args: &["one"],
        needs: Tool::Go,
    },
    Peer {
        name: "kube-apiserver on three members",
        script: "k8s/run.sh",
        args: &["three"],
        needs: Tool::Go,
    },
];

/// Runs each peer's tests; one whose tool is missing is skipped by name.
pub(crate) fn run(suite: &mut Suite) {
    let go = succeeds("go", &["version"]);
    let python = succeeds("python3", &["--version"]);
    for peer in PEERS {
        match peer.needs {
            Tool::Go if !go => suite.skip(peer.name, "go is not installed"),
            Tool::Python if !python => suite.skip(peer.name, "python3 is not installed"),
            _ => suite.step(peer.name, || script(peer.script, peer.args)),
        }
    }
}

/// Builds the real etcd that benchmarks compare with.
pub(crate) fn build_etcd() -> Result<()> {
    script("etcd/build.sh", &[])
}

fn script(path: &str, args: &[&str]) -> Result<()> {
    command("sh")
        .args([format!("tests/peers/{path}").as_str()])
        .args(args.iter().copied())
        .run()
}
