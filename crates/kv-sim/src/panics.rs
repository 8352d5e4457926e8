//! Panics of production code, which a simulation takes for violations.

use std::cell::{Cell, RefCell};

use kv_raft::host;

thread_local! {
    static PANIC: RefCell<Option<String>> = const { RefCell::new(None) };
    static STOPPING_IS_RIGHT: Cell<bool> = const { Cell::new(false) };
}

/// Assertions of openraft's debug build that say nothing: the first is met by the stream of a leader that has just
/// been deposed, before it looks whether it was, and drops what it was about to send.
const KNOWN: [&str; 1] = ["read_log_entries received reversed range"];

/// Lets a panic in a simulation be a violation of it, instead of a message alone.
pub fn catch_panics() {
    std::panic::set_hook(Box::new(|info| {
        let message = info.to_string();
        let stopping = message.contains(host::STOPPED) && STOPPING_IS_RIGHT.replace(false);
        if stopping || KNOWN.iter().any(|known| message.contains(known)) {
            return;
        }
        PANIC.with_borrow_mut(|panic| {
            panic.get_or_insert(message);
        });
    }));
}

/// Whether the member that runs now does right to end its process: it cannot read what it has stored.
pub(crate) fn excuse_stopping(excused: bool) {
    STOPPING_IS_RIGHT.set(excused);
}

/// The first panic since this was last asked.
pub(crate) fn take() -> Option<String> {
    PANIC.with_borrow_mut(Option::take)
}
