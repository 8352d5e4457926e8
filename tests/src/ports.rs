use std::collections::HashSet;
use std::net::TcpListener;
use std::sync::Mutex;

/// Ports handed out by this process; the system may offer one again once it was released.
static TAKEN: Mutex<Option<HashSet<u16>>> = Mutex::new(None);

/// Loopback ports that nobody listens on, each given once per test process.
///
/// # Panics
/// If the system has no port to give.
pub fn free_ports<const N: usize>() -> [u16; N] {
    let mut taken = TAKEN.lock().expect("nothing panics while it is held");
    let taken = taken.get_or_insert_default();
    std::array::from_fn(|_| {
        loop {
            let listener = TcpListener::bind("127.0.0.1:0").expect("a free loopback port");
            let port = listener
                .local_addr()
                .expect("a bound socket has an address")
                .port();
            if taken.insert(port) {
                return port;
            }
        }
    })
}
