use std::collections::VecDeque;

/// Lines kept for the report of a violation.
const LINES: usize = 60;

/// Everything that happens goes into a hash, which tells whether two runs were the same; what a reader wants to know
/// of a failure is kept as text, too.
#[derive(Debug)]
pub(crate) struct Trace {
    hash: u64,
    lines: VecDeque<String>,
    aloud: bool,
}

impl Trace {
    pub(crate) fn new(aloud: bool) -> Self {
        Self {
            hash: 0xcbf2_9ce4_8422_2325,
            lines: VecDeque::new(),
            aloud,
        }
    }

    /// Takes numbers into the hash (FNV-1a).
    pub(crate) fn mix(&mut self, numbers: &[u64]) {
        for byte in numbers.iter().flat_map(|number| number.to_le_bytes()) {
            self.mix_byte(byte);
        }
    }

    pub(crate) fn line(&mut self, at_millis: u64, text: &str) {
        text.bytes().for_each(|byte| self.mix_byte(byte));
        self.mix(&[at_millis]);
        let line = format!("{at_millis:>7} ms  {text}");
        if self.aloud {
            eprintln!("{line}");
        }
        if self.lines.len() == LINES {
            self.lines.pop_front();
        }
        self.lines.push_back(line);
    }

    fn mix_byte(&mut self, byte: u8) {
        self.hash = (self.hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3);
    }

    pub(crate) fn hash(&self) -> u64 {
        self.hash
    }

    pub(crate) fn lines(&self) -> Vec<String> {
        self.lines.iter().cloned().collect()
    }
}
