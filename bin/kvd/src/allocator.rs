//! The allocator and its options.

use std::env;
use std::os::unix::process::CommandExt;
use std::process::Command;

/// A put allocates on one thread and frees on another, some dozens of times: with the system's allocator that is
/// a fifth of its CPU time.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// For how many milliseconds mimalloc keeps memory that was freed. By itself for a second, and what a load leaves
/// behind when it ends for much longer: a fifth of the memory of a member with 100,000 keys.
const PURGE_DELAY: (&str, &str) = ("MIMALLOC_PURGE_DELAY", "10");

/// Sets the options that nobody has set. mimalloc takes them from the environment alone, before `main`: so the program
/// starts once more, in the same process. To be called before anything else is done.
pub(crate) fn set_options() {
    let (name, value) = PURGE_DELAY;
    let Ok(program) = env::current_exe() else {
        return;
    };
    if env::var_os(name).is_some() {
        return;
    }
    let mut args = env::args_os();
    let own_name = args.next().unwrap_or_else(|| program.clone().into());
    // It returns only if it fails, and then the price is memory.
    let _ = Command::new(program)
        .arg0(own_name)
        .args(args)
        .env(name, value)
        .exec();
}
