//! What a member takes from its host beside disk and network: threads for blocking work, and randomness. No member
//! reads the wall clock.
//!
//! A simulation takes both away from the thread it runs on, as tokio's paused clock does with time, so that the
//! same seed gives the same run. Nobody else calls [`simulate`].

use std::cell::RefCell;
use std::time::Duration;

use rand::SeedableRng;
use rand::rngs::StdRng;
use tokio::task::JoinError;

thread_local! {
    static SIMULATED: RefCell<Option<Simulated>> = const { RefCell::new(None) };
}

/// The state of the random numbers.
struct Simulated(u64);

/// Ends the simulation on this thread when dropped.
#[derive(Debug)]
pub struct Simulation(());

/// From here on blocking work is done in place and randomness follows from `seed`, on this thread.
pub fn simulate(seed: u64) -> Simulation {
    SIMULATED.with_borrow_mut(|host| *host = Some(Simulated(seed)));
    Simulation(())
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
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
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

/// What a simulated process says that [`stop_process`] ends.
pub const STOPPED: &str = "a member stops so as not to answer wrongly";

/// Ends a process that must not go on; a simulated one is not alone in its process.
pub fn stop_process() -> ! {
    if is_simulated() {
        panic!("{STOPPED}");
    }
    std::process::abort()
}
