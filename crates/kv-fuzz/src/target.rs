use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant, SystemTime};

use crate::corpus::Corpus;
use crate::mutate::mutated;
use crate::random::Random;

/// How much memory reading an input may take.
#[derive(Clone, Copy, Debug)]
pub struct Memory {
    /// Bytes, whatever the input.
    pub fixed: u64,
    /// Bytes for each byte of the input.
    pub per_byte: u64,
}

impl Memory {
    fn bytes_max(self, input: &[u8]) -> u64 {
        self.fixed + self.per_byte * input.len() as u64
    }
}

/// A decoder to be tested.
#[derive(Debug)]
pub struct Target<'a> {
    /// What it is called; its corpus, too.
    pub name: &'a str,
    /// The directory of its package: `env!("CARGO_MANIFEST_DIR")`.
    pub package: &'a str,
    /// Valid encodings of this build.
    pub encodings: Vec<Vec<u8>>,
    /// How much memory it may take.
    pub memory: Memory,
}

/// Inputs of a run as an ordinary test.
const INPUTS: u64 = 2000;

/// What ends a run.
enum Limit {
    Inputs(u64),
    Until(Instant),
}

impl Limit {
    /// `KVD_FUZZ_SECONDS` asks for a long run.
    fn from_environment() -> Self {
        match number("KVD_FUZZ_SECONDS") {
            Some(seconds) => Self::Until(Instant::now() + Duration::from_secs(seconds)),
            None => Self::Inputs(INPUTS),
        }
    }

    fn is_reached(&self, inputs: u64) -> bool {
        match self {
            Self::Inputs(max) => inputs >= *max,
            Self::Until(end) => Instant::now() >= *end,
        }
    }
}

impl Target<'_> {
    /// Checks all encodings, the corpus, and mutations of both.
    ///
    /// `KVD_FUZZ_KEEP` adds today's encodings to the corpus, which is done when a format is new.
    ///
    /// # Panics
    /// If an input makes `check` panic, or take too much memory; it is then in the corpus.
    pub fn run(&self, check: impl Fn(&[u8])) {
        let corpus = Corpus::of(self.package, self.name);
        if std::env::var_os("KVD_FUZZ_KEEP").is_some() {
            for encoding in &self.encodings {
                corpus.add(encoding).expect("the corpus can be written");
            }
        }
        let mut known = corpus.inputs().expect("the corpus can be read");
        known.extend(self.encodings.iter().cloned());
        let (limit, mut random) = (Limit::from_environment(), Random::new(seed()));
        let mut inputs = 0;
        let mut one = |input: &[u8]| {
            inputs += 1;
            if let Err(finding) = self.check(input, &check) {
                println!("fuzz target {} inputs {inputs} findings 1", self.name);
                let path = corpus.add(input).expect("the corpus can be written");
                panic!("{finding}; the input is in {}", path.display());
            }
            limit.is_reached(inputs)
        };
        for input in &known {
            one(input);
        }
        while !one(&mutated(&known, &mut random)) {}
        println!("fuzz target {} inputs {inputs} findings 0", self.name);
    }

    fn check(&self, input: &[u8], check: &impl Fn(&[u8])) -> Result<(), String> {
        let mut panicked = false;
        let allocated = allocation_counter::measure(|| {
            panicked = catch_unwind(AssertUnwindSafe(|| check(input))).is_err();
        });
        let bytes_max = self.memory.bytes_max(input);
        if panicked {
            Err(format!("{} panics at {} bytes", self.name, input.len()))
        } else if allocated.bytes_max > bytes_max {
            Err(format!(
                "{} takes {} bytes of memory for {} bytes, more than {bytes_max}",
                self.name,
                allocated.bytes_max,
                input.len()
            ))
        } else {
            Ok(())
        }
    }
}

/// The same for every ordinary run; another one for each long run, or what `KVD_SEED` says.
fn seed() -> u64 {
    let by_time = || {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
        now.map_or(1, |now| u64::from(now.subsec_nanos()) ^ now.as_secs())
    };
    number("KVD_SEED").unwrap_or_else(|| match number("KVD_FUZZ_SECONDS") {
        Some(_) => by_time(),
        None => 1,
    })
}

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(package: &str) -> Target<'_> {
        Target {
            name: "length",
            package,
            encodings: vec![vec![3, 1, 2, 3]],
            memory: Memory {
                fixed: 1000,
                per_byte: 4,
            },
        }
    }

    /// Whether a run finds something with a decoder of a length and as many bytes; it keeps what it found.
    fn finds(decode: fn(&[u8])) -> bool {
        let package = tempfile::tempdir().unwrap();
        let path = package.path().to_str().unwrap();
        let found = catch_unwind(|| target(path).run(decode)).is_err();
        assert_eq!(
            Corpus::of(path, "length").inputs().unwrap().len(),
            usize::from(found)
        );
        found
    }

    #[test]
    fn panics_and_allocations_are_found_and_kept() {
        assert!(!finds(|input| {
            let _ = input
                .split_first()
                .map(|(length, rest)| rest.get(..usize::from(*length)));
        }));
        assert!(finds(|input| {
            let _ = input
                .split_first()
                .map(|(length, rest)| rest[..usize::from(*length)].len());
        }));
        assert!(finds(|input| {
            let length = input.first().map_or(0, |length| usize::from(*length) << 8);
            assert!(Vec::<u8>::with_capacity(length).is_empty());
        }));
    }
}
