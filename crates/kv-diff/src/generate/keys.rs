use bytes::Bytes;

use super::Generator;
use crate::symbol;

/// Few keys, so that requests meet; with the bytes at both ends of the order.
const KEYS: &[&[u8]] = &[
    b"a",
    b"a\0",
    b"aa",
    b"aab",
    b"ab",
    b"ab\xff",
    b"b",
    b"b\xff",
    b"b\xff\xff",
    b"ba",
    b"bb",
    b"bc",
    b"c",
    b"ca",
    b"caa",
    b"cab",
    b"cb",
    b"d",
    b"d\0a",
    b"da",
    b"db",
    b"dc",
    b"\0",
    b"\0\0",
    b"\xff",
    b"\xff\xff",
    b"~",
    b"z",
];

/// Around the largest request, and the largest message.
const LARGE_BYTES: &[usize] = &[1_400_000, 1_572_000, 1_573_000, 2_097_000, 2_098_000, 3_000_000];

impl Generator {
    pub(super) fn key(&mut self) -> Bytes {
        match self.below(100) {
            0..2 => Bytes::new(),
            2..8 => {
                let bytes = self.some(4, |draw| draw.pick(b"abc\0\xff"));
                Bytes::from(bytes)
            }
            _ => Bytes::from_static(self.pick(KEYS)),
        }
    }

    /// A key and the end of an interval.
    pub(super) fn interval(&mut self) -> (Bytes, Bytes) {
        const ZERO: Bytes = Bytes::from_static(&[0]);
        let key = self.key();
        match self.below(100) {
            0..40 => (key, Bytes::new()),
            40..58 => {
                let end = prefix_end(&key);
                (key, end)
            }
            58..68 => (key, ZERO),
            68..84 => (ZERO, ZERO),
            84..94 => {
                let (low, high) = (key.clone().min(self.key()), key.max(self.key()));
                (low, high)
            }
            _ => (key, self.key()),
        }
    }

    pub(super) fn value(&mut self) -> Bytes {
        match self.below(2000) {
            0..100 => Bytes::new(),
            100..110 => Bytes::from(vec![b'l'; 20_000]),
            110 => Bytes::from(vec![b'h'; self.pick(LARGE_BYTES)]),
            _ => Bytes::from(self.some(3, |draw| draw.pick(b"xyz\0\xff"))),
        }
    }

    /// A revision as requests have it: mostly none, mostly near those that are kept.
    pub(super) fn revision(&mut self) -> i64 {
        match self.below(100) {
            0..60 => 0,
            60..80 => symbol::current(-self.number(0, 30)),
            80..84 => symbol::current(1),
            84..86 => symbol::current(self.number(2, 5)),
            86..94 => symbol::compacted(self.number(-2, 2)),
            94..96 => self.number(-3, 3),
            96 => i64::MIN,
            97 => i64::MAX,
            _ => symbol::compacted(self.number(-20, 20)),
        }
    }

    /// The ID of a lease that may or may not be there.
    pub(super) fn lease(&mut self) -> i64 {
        match self.below(100) {
            0..45 => self.number(1001, 1004),
            45..90 => symbol::lease(self.number(0, 5)),
            90..94 => -5,
            94..96 => i64::MAX,
            96..98 => i64::MIN,
            _ => 0,
        }
    }
}

/// The end of the keys that begin with this one.
pub(super) fn prefix_end(prefix: &[u8]) -> Bytes {
    let Some(last) = prefix.iter().rposition(|&byte| byte < 0xff) else {
        return Bytes::from_static(&[0]);
    };
    let mut end = prefix[..=last].to_vec();
    end[last] += 1;
    Bytes::from(end)
}
