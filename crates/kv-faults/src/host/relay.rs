use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use kv_tests::Random;
use parking_lot::Mutex;
use tokio::sync::Semaphore;
use tokio_tun::Tun;

/// Packets held back at once; one more is lost, as in a full queue of a router.
const HELD_MAX: usize = 8192;
/// The largest packet there can be.
const PACKET_BYTES_MAX: usize = 65536;

/// What happens to packets on the way from one place to another. Shares are of a thousand.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Link {
    pub(crate) cut: bool,
    pub(crate) loss: u64,
    pub(crate) doubled: u64,
    /// Packets that are overtaken by those of the next milliseconds.
    pub(crate) overtaken: u64,
    pub(crate) delay: Duration,
    /// Up to this is added to the delay.
    pub(crate) jitter: Duration,
}

/// How long a packet that is to be overtaken waits.
const OVERTAKEN_DELAY: Duration = Duration::from_millis(20);

#[derive(Debug, Default)]
struct Counts {
    carried: AtomicU64,
    lost: AtomicU64,
    held: AtomicU64,
    doubled: AtomicU64,
}

/// Carries packets between TUN devices. Its choices follow from a seed; when packets come does not.
#[derive(Debug)]
pub(crate) struct Relay {
    shared: Arc<Shared>,
}

struct Shared {
    tuns: Vec<Tun>,
    links: Mutex<Vec<Vec<Link>>>,
    random: Mutex<Random>,
    held: Arc<Semaphore>,
    counts: Counts,
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shared")
            .field("links", &self.links)
            .finish_non_exhaustive()
    }
}

impl Relay {
    pub(crate) fn start(tuns: Vec<Tun>, seed: u64) -> Self {
        let places = tuns.len();
        let shared = Arc::new(Shared {
            tuns,
            links: Mutex::new(vec![vec![Link::default(); places]; places]),
            random: Mutex::new(Random::new(seed)),
            held: Arc::new(Semaphore::new(HELD_MAX)),
            counts: Counts::default(),
        });
        for place in 0..places {
            tokio::spawn(carry(Arc::clone(&shared), place));
        }
        Self { shared }
    }

    pub(crate) fn set(&self, from: usize, to: usize, link: Link) {
        self.shared.links.lock()[from][to] = link;
    }

    pub(crate) fn counts(&self) -> String {
        let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let counts = &self.shared.counts;
        format!(
            "packets {} lost {} held {} doubled {}",
            count(&counts.carried),
            count(&counts.lost),
            count(&counts.held),
            count(&counts.doubled)
        )
    }
}

async fn carry(shared: Arc<Shared>, from: usize) {
    let mut buffer = vec![0; PACKET_BYTES_MAX];
    loop {
        // A device fails when it is taken away, at the end of the run.
        let Ok(length) = shared.tuns[from].recv(&mut buffer).await else {
            return;
        };
        let packet = &buffer[..length];
        if let Some(to) = destination(packet).filter(|to| *to < shared.tuns.len()) {
            forward(&shared, from, to, packet).await;
        }
    }
}

/// The place an IPv4 packet is for; others have none.
fn destination(packet: &[u8]) -> Option<usize> {
    match packet {
        [version, ..] if version >> 4 != 4 => None,
        _ => match packet.get(16..20)? {
            [10, 77, 0, host] => usize::from(*host).checked_sub(1),
            _ => None,
        },
    }
}

/// What becomes of one packet: the delay of each copy that arrives.
fn fates(link: Link, random: &mut Random) -> Vec<Duration> {
    let mut chance = |share: u64| share > 0 && random.below(1000) < share;
    if link.cut || chance(link.loss) {
        return Vec::new();
    }
    let copies = if chance(link.doubled) { 2 } else { 1 };
    let overtaken = chance(link.overtaken);
    let jitter = u64::try_from(link.jitter.as_micros()).unwrap_or(u64::MAX);
    (0..copies)
        .map(|_| {
            let more = if jitter == 0 { 0 } else { random.below(jitter) };
            let wait = if overtaken {
                OVERTAKEN_DELAY
            } else {
                Duration::ZERO
            };
            link.delay + Duration::from_micros(more) + wait
        })
        .collect()
}

async fn forward(shared: &Arc<Shared>, from: usize, to: usize, packet: &[u8]) {
    let link = shared.links.lock()[from][to];
    let fates = fates(link, &mut shared.random.lock());
    let counts = &shared.counts;
    let add = |counter: &AtomicU64| counter.fetch_add(1, Ordering::Relaxed);
    add(&counts.carried);
    match fates.len() {
        0 => add(&counts.lost),
        2 => add(&counts.doubled),
        _ => 0,
    };
    for delay in fates {
        if delay.is_zero() {
            // A device that is down or full loses packets; TCP knows.
            let _ = shared.tuns[to].send(packet).await;
        } else if let Ok(permit) = Arc::clone(&shared.held).try_acquire_owned() {
            add(&counts.held);
            let (shared, packet) = (Arc::clone(shared), packet.to_vec());
            tokio::spawn(async move {
                tokio::time::sleep(delay).await;
                let _ = shared.tuns[to].send(&packet).await;
                drop(permit);
            });
        } else {
            add(&counts.lost);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_packet_is_for_the_place_with_its_address() {
        let mut packet = vec![0; 40];
        packet[0] = 0x45;
        packet[16..20].copy_from_slice(&[10, 77, 0, 3]);
        assert_eq!(destination(&packet), Some(2));
        packet[0] = 0x60;
        assert_eq!(destination(&packet), None);
        assert_eq!(destination(&packet[..10]), None);
        assert_eq!(destination(&[]), None);
    }

    #[test]
    fn links_cut_lose_double_and_delay() {
        let mut random = Random::new(1);
        let mut arrived =
            |link| -> Vec<usize> { (0..1000).map(|_| fates(link, &mut random).len()).collect() };
        let sum = |lengths: &[usize]| lengths.iter().sum::<usize>();
        assert_eq!(sum(&arrived(Link::default())), 1000);
        let cut = Link {
            cut: true,
            ..Link::default()
        };
        assert_eq!(sum(&arrived(cut)), 0);
        let loss = Link {
            loss: 100,
            ..Link::default()
        };
        assert!((850..950).contains(&sum(&arrived(loss))));
        let doubled = Link {
            doubled: 1000,
            ..Link::default()
        };
        assert_eq!(sum(&arrived(doubled)), 2000);
        let slow = Link {
            delay: Duration::from_millis(50),
            jitter: Duration::from_millis(10),
            ..Link::default()
        };
        let delay = fates(slow, &mut random)[0];
        assert!((50..60).contains(&delay.as_millis()), "{delay:?}");
    }
}
