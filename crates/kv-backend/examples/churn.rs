//! Writes blocks of 32 KiB, flushing every 8 MiB, and removes random ones so that some 250 MiB stay; meanwhile one
//! thread reads. Prints what it cost.
//!
//! `cargo run --release -p kv-backend --example churn -- <directory> [MiB to write]`

#![expect(clippy::cast_possible_truncation, reason = "figures for people")]

use std::env;
use std::fs;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use kv_backend::{Backend, BackendHome, Batch, SledHome};
use parking_lot::Mutex;

const BLOCK_BYTES: usize = 32_000;
const BLOCKS_PER_FLUSH: usize = 256;
const LIVE_BLOCKS_MAX: usize = 8000;
const MIB: u64 = 1024 * 1024;

fn main() -> Result<()> {
    let mut arguments = env::args().skip(1);
    let dir = arguments.next().context("name a directory for the database")?;
    let mib: u64 = arguments.next().map_or(Ok(1024), |mib| mib.parse())?;
    let home = SledHome::new(&dir);
    let backend = home.open()?;
    let live = Mutex::new(Vec::new());
    let done = AtomicBool::new(false);
    thread::scope(|scope| -> Result<()> {
        let reader = scope.spawn(|| read(&*backend, &live, &done));
        let written = write(&*backend, &live, mib * MIB);
        done.store(true, Ordering::Relaxed);
        let mut reads = reader.join().expect("the reader does not panic")?;
        written?;
        reads.sort();
        let at = |share: f64| {
            reads
                .get((reads.len() as f64 * share) as usize)
                .copied()
                .unwrap_or_default()
        };
        println!(
            "{} reads: p50 {:?}, p99 {:?}, worst {:?}",
            reads.len(),
            at(0.5),
            at(0.99),
            at(0.999_999_9)
        );
        Ok(())
    })?;
    let live_bytes = live.lock().len() as u64 * BLOCK_BYTES as u64;
    let disk = backend.size_on_disk()?;
    println!(
        "live {} MiB, on disk {} MiB: {:.2}x",
        live_bytes / MIB,
        disk / MIB,
        disk as f64 / live_bytes as f64
    );
    println!("memory {}", memory()?);
    Ok(())
}

fn write(backend: &dyn Backend, live: &Mutex<Vec<u64>>, bytes_max: u64) -> Result<()> {
    let mut chance = 1u64;
    let mut next = 0u64;
    let mut flushes = Vec::new();
    let begin = Instant::now();
    for _ in 0..bytes_max / (BLOCKS_PER_FLUSH * BLOCK_BYTES) as u64 {
        let mut batch = Batch::new();
        let mut fresh = Vec::new();
        for _ in 0..BLOCKS_PER_FLUSH {
            next += 1;
            fresh.push(next);
            batch.put(next.to_be_bytes().to_vec(), block(&mut chance));
        }
        {
            let mut live = live.lock();
            while live.len() + fresh.len() > LIVE_BLOCKS_MAX {
                let at = (random(&mut chance) % live.len() as u64) as usize;
                batch.delete(live.swap_remove(at).to_be_bytes().to_vec());
            }
        }
        let flush = Instant::now();
        backend.write(batch)?;
        backend.flush()?;
        flushes.push(flush.elapsed());
        live.lock().extend(fresh);
    }
    let elapsed = begin.elapsed();
    flushes.sort();
    println!(
        "{:.0} MB/s; flushes of 8 MiB: p50 {:?}, worst {:?}",
        bytes_max as f64 / 1e6 / elapsed.as_secs_f64(),
        flushes[flushes.len() / 2],
        flushes.last().copied().unwrap_or_default()
    );
    Ok(())
}

fn read(backend: &dyn Backend, live: &Mutex<Vec<u64>>, done: &AtomicBool) -> Result<Vec<Duration>> {
    let mut chance = 2u64;
    let mut reads = Vec::new();
    while !done.load(Ordering::Relaxed) {
        thread::sleep(Duration::from_micros(500));
        let key = {
            let live = live.lock();
            if live.is_empty() {
                continue;
            }
            live[(random(&mut chance) % live.len() as u64) as usize]
        };
        let begin = Instant::now();
        backend.get(&key.to_be_bytes())?;
        reads.push(begin.elapsed());
    }
    Ok(reads)
}

fn memory() -> Result<String> {
    let status = fs::read_to_string("/proc/self/status")?;
    let lines = status
        .lines()
        .filter(|line| line.starts_with("VmHWM") || line.starts_with("VmRSS"));
    Ok(lines
        .map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "))
        .collect::<Vec<_>>()
        .join(", "))
}

fn block(chance: &mut u64) -> Vec<u8> {
    (0..BLOCK_BYTES / 8)
        .flat_map(|_| random(chance).to_le_bytes())
        .collect()
}

fn random(state: &mut u64) -> u64 {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    *state
}
