//! What a member takes from its host beside disk and network: threads for blocking work, randomness, the wall clock.
//!
//! A simulation takes all three away from the thread it runs on, as tokio's paused clock does with time, so that the
//! same seed gives the same run. Nobody else calls [`simulate`].

use std::cell::RefCell;
use std::time::{Duration, SystemTime};

use rand::SeedableRng;
use rand::rngs::StdRng;
use tokio::task::JoinError;

thread_local! {
    static SIMULATED: RefCell<Option<Simulated>> = const { RefCell::new(None) };
}

struct Simulated {
    random: u64,
    wall_clock: SystemTime,
}

/// Ends the simulation on this thread when dropped.
#[derive(Debug)]
pub struct Simulation(());

/// From here on blocking work is done in place and randomness follows from `seed`, on this thread.
pub fn simulate(seed: u64, wall_clock: SystemTime) -> Simulation {
    let simulated = Simulated {
        random: seed,
        wall_clock,
    };
    SIMULATED.with_borrow_mut(|host| *host = Some(simulated));
    Simulation(())
}

impl Simulation {
    /// Sets the wall clock, which stands still between two calls.
    pub fn set_wall_clock(&self, now: SystemTime) {
        SIMULATED.with_borrow_mut(|host| {
            if let Some(simulated) = host {
                simulated.wall_clock = now;
            }
        });
    }
}

impl Drop for Simulation {
    fn drop(&mut self) {
        SIMULATED.with_borrow_mut(|host| *host = None);
    }
}

/// Whether this thread runs a simulation.
pub fn is_simulated() -> bool {
    SIMULATED.with_borrow(Option::is_some)
}

/// The wall clock. It may jump: good for names, not for durations.
pub fn wall_clock() -> SystemTime {
    SIMULATED.with_borrow(|host| {
        host.as_ref()
            .map_or_else(SystemTime::now, |simulated| simulated.wall_clock)
    })
}

/// Random numbers for whoever asks now.
pub(crate) fn random() -> StdRng {
    StdRng::seed_from_u64(random_u64())
}

/// A random number.
pub fn random_u64() -> u64 {
    SIMULATED.with_borrow_mut(|host| match host {
        Some(simulated) => simulated.next(),
        None => rand::random(),
    })
}

impl Simulated {
    /// splitmix64.
    fn next(&mut self) -> u64 {
        self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.random;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }
}

/// How long blocking work takes in a simulation, so that others run meanwhile.
const SIMULATED_WORK: Duration = Duration::from_millis(2);

/// Does work that blocks, off the runtime.
///
/// # Errors
/// If it panicked.
pub async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, JoinError> {
    if is_simulated() {
        tokio::time::sleep(SIMULATED_WORK).await;
        return Ok(work());
    }
    tokio::task::spawn_blocking(work).await
}

/// Ends a process that must not go on; a simulated one is not alone in its process.
pub fn stop_process() -> ! {
    if is_simulated() {
        panic!("a member stopped so as not to answer wrongly");
    }
    std::process::abort()
}
