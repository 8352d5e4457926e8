use anyhow::{Context, Result};
use tokio_tun::Tun;

use crate::host::relay::{Link, Relay};
use crate::host::run;

/// Members, each with its own network namespace.
pub(crate) const MEMBERS: usize = 3;
/// The place of the clients in the network: this process's namespace.
pub(crate) const CLIENTS: usize = MEMBERS;
const PLACES: usize = MEMBERS + 1;
/// Larger than Ethernet's, so that the relay has fewer packets to carry.
const MTU: i32 = 9000;

/// The address of a place.
pub(crate) fn address(place: usize) -> String {
    format!("10.77.0.{}", place + 1)
}

/// A network whose every packet goes through the relay: each namespace has one TUN device, and the relay is at the
/// other end of all of them.
#[derive(Debug)]
pub(crate) struct Network {
    relay: Relay,
}

impl Network {
    /// Makes the namespaces; they go with the namespace of mounts that this process is in.
    ///
    /// # Errors
    /// If the system refuses.
    pub(crate) async fn new(seed: u64) -> Result<Self> {
        // The names of network namespaces are mounts below /run; nobody else sees these.
        run("mount -t tmpfs tmpfs /run").await?;
        run("ip link set lo up").await?;
        let mut tuns = Vec::new();
        for place in 0..PLACES {
            let tun = Tun::builder().name(&format!("tun{place}")).mtu(MTU).build();
            let tun = tun.context("open /dev/net/tun")?.pop().context("a TUN device")?;
            connect(place).await?;
            tuns.push(tun);
        }
        Ok(Self {
            relay: Relay::start(tuns, seed),
        })
    }

    /// Changes the link from one place to another.
    pub(crate) fn set(&self, from: usize, to: usize, link: Link) {
        self.relay.set(from, to, link);
    }

    /// Makes all links perfect.
    pub(crate) fn mend(&self) {
        for from in 0..PLACES {
            for to in 0..PLACES {
                self.set(from, to, Link::default());
            }
        }
    }

    /// Packets carried and packets lost, held back, doubled.
    pub(crate) fn counts(&self) -> String {
        self.relay.counts()
    }
}

async fn connect(place: usize) -> Result<()> {
    let address = address(place);
    if place == CLIENTS {
        run(&format!("ip addr add {address}/24 dev tun{place}")).await?;
        run(&format!("ip link set tun{place} mtu {MTU} up")).await?;
        return Ok(());
    }
    run(&format!("ip netns add m{place}")).await?;
    run(&format!("ip link set tun{place} netns m{place}")).await?;
    run(&format!("ip -n m{place} link set lo up")).await?;
    run(&format!("ip -n m{place} addr add {address}/24 dev tun{place}")).await?;
    run(&format!("ip -n m{place} link set tun{place} mtu {MTU} up")).await?;
    Ok(())
}
