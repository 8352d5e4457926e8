//! Numbers of the process, as the kernel has them.

use std::fs;

use super::text::Text;

/// Ticks of the clock that the kernel shows times in, per second: 100 on every Linux.
const TICKS_PER_SECOND: f64 = 100.0;

/// Writes what can be read; on systems without `/proc` that is nothing.
pub(super) fn write(text: &mut Text) {
    let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
    if let Some(times) = Times::parse(&read("/proc/self/stat"), &read("/proc/stat")) {
        text.counter("process_cpu_seconds_total", "CPU time used.", times.cpu_seconds);
        text.gauge(
            "process_start_time_seconds",
            "Start, in seconds since 1970.",
            times.start_seconds,
        );
    }
    let status = read("/proc/self/status");
    if let Some(bytes) = status_bytes(&status, "VmRSS:") {
        text.gauge("process_resident_memory_bytes", "Resident memory.", bytes);
    }
    if let Some(bytes) = status_bytes(&status, "VmSize:") {
        text.gauge("process_virtual_memory_bytes", "Virtual memory.", bytes);
    }
    let limits = read("/proc/self/limits");
    if let Some(limit) = limit(&limits, "Max address space") {
        text.gauge(
            "process_virtual_memory_max_bytes",
            "Limit of virtual memory.",
            limit,
        );
    }
    if let Some(limit) = limit(&limits, "Max open files") {
        text.gauge("process_max_fds", "Limit of open file descriptors.", limit);
        text.gauge("os_fd_limit", "Limit of open file descriptors.", limit);
    }
    if let Ok(fds) = fs::read_dir("/proc/self/fd") {
        // One of them is the directory that is being read.
        let open = fds.count().saturating_sub(1);
        text.gauge("process_open_fds", "Open file descriptors.", open);
        text.gauge("os_fd_used", "Open file descriptors.", open);
    }
}

#[derive(Debug, PartialEq)]
struct Times {
    cpu_seconds: f64,
    start_seconds: f64,
}

impl Times {
    /// Reads `/proc/self/stat` and `/proc/stat`.
    fn parse(process: &str, system: &str) -> Option<Self> {
        // The second field, the program's name, may hold anything, so count from behind it: the third is next.
        let fields: Vec<&str> = process.rsplit_once(')')?.1.split_whitespace().collect();
        let ticks = |field: usize| fields.get(field - 3)?.parse::<f64>().ok();
        let boot_seconds: f64 = system
            .lines()
            .find_map(|line| line.strip_prefix("btime "))?
            .trim()
            .parse()
            .ok()?;
        Some(Self {
            cpu_seconds: (ticks(14)? + ticks(15)?) / TICKS_PER_SECOND,
            start_seconds: boot_seconds + ticks(22)? / TICKS_PER_SECOND,
        })
    }
}

/// A size from `/proc/self/status`, which says it in units of 1,024 bytes.
fn status_bytes(status: &str, name: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix(name))?;
    Some(line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()? * 1024)
}

/// A soft limit from `/proc/self/limits`.
fn limit(limits: &str, name: &str) -> Option<u64> {
    let line = limits.lines().find_map(|line| line.strip_prefix(name))?;
    match line.split_whitespace().next()? {
        "unlimited" => Some(u64::MAX),
        number => number.parse().ok(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernels_files_are_understood() {
        let process = "4711 (a b) c) S 1 2 3 4 5 6 7 8 9 10 150 50 0 0 20 0 9 0 1200 99 98";
        let times = Times::parse(process, "cpu 1 2\nbtime 1700000000\n").unwrap();
        assert_eq!(
            times,
            Times {
                cpu_seconds: 2.0,
                start_seconds: 1_700_000_012.0
            }
        );
        assert_eq!(
            status_bytes("Name:\tx\nVmRSS:\t     12 kB\n", "VmRSS:"),
            Some(12_288)
        );
        let limits = "Max open files            1024                 4096                 files\n\
                      Max address space         unlimited            unlimited            bytes\n";
        assert_eq!(limit(limits, "Max open files"), Some(1024));
        assert_eq!(limit(limits, "Max address space"), Some(u64::MAX));
    }

    #[test]
    fn files_that_are_not_there_are_left_out() {
        assert_eq!(Times::parse("", ""), None);
        assert_eq!(status_bytes("", "VmRSS:"), None);
        assert_eq!(limit("", "Max open files"), None);
    }
}
