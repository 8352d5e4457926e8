use crate::random::Random;

/// Inputs do not grow beyond this.
const INPUT_BYTES_MAX: usize = 64 << 10;

/// Most changes of one input.
const CHANGES_MAX: usize = 4;

/// Lengths, counts and numbers that decoders get wrong.
const NUMBERS: [u64; 12] = [
    0,
    1,
    0x7f,
    0x80,
    0xff,
    0xffff,
    0x7fff_ffff,
    0x8000_0000,
    0xffff_ffff,
    i64::MAX.cast_unsigned(),
    i64::MIN.cast_unsigned(),
    u64::MAX,
];

/// One of the encodings, changed in some places.
pub(crate) fn mutated(encodings: &[Vec<u8>], random: &mut Random) -> Vec<u8> {
    let mut bytes = pick(encodings, random).to_vec();
    for _ in 0..=random.below(CHANGES_MAX) {
        change(&mut bytes, encodings, random);
    }
    bytes.truncate(INPUT_BYTES_MAX);
    bytes
}

fn pick<'a>(encodings: &'a [Vec<u8>], random: &mut Random) -> &'a [u8] {
    match encodings.len() {
        0 => &[],
        count => &encodings[random.below(count)],
    }
}

fn change(bytes: &mut Vec<u8>, encodings: &[Vec<u8>], random: &mut Random) {
    let at = random.below(bytes.len() + 1);
    let length = random.below(16);
    let end = (at + length).min(bytes.len());
    match random.below(9) {
        0 => flip(bytes, at, random),
        1 => bytes.truncate(at),
        2 => bytes.extend((0..length).map(|_| random.byte())),
        3 => drop(bytes.drain(at..end)),
        4 => {
            let copy = bytes[at..end].to_vec();
            bytes.splice(at..at, copy);
        }
        5 => {
            let other = pick(encodings, random);
            let from = random.below(other.len() + 1);
            bytes.splice(at.., other[from..].iter().copied());
        }
        6 => overwrite(bytes, at, &[random.byte()]),
        7 => number(bytes, at, random),
        _ => {
            // As a number of seven bits a byte, put in.
            let mut value = NUMBERS[random.below(NUMBERS.len())];
            let mut varint = Vec::new();
            while value >= 0x80 {
                varint.push(value.to_le_bytes()[0] | 0x80);
                value >>= 7;
            }
            varint.push(value.to_le_bytes()[0]);
            bytes.splice(at..end.min(at + 1), varint);
        }
    }
}

fn flip(bytes: &mut [u8], at: usize, random: &mut Random) {
    if let Some(byte) = bytes.get_mut(at) {
        *byte ^= 1 << random.below(8);
    }
}

fn number(bytes: &mut [u8], at: usize, random: &mut Random) {
    let value = NUMBERS[random.below(NUMBERS.len())];
    let width = [1, 2, 4, 8][random.below(4)];
    if random.below(2) == 0 {
        overwrite(bytes, at, &value.to_le_bytes()[..width]);
    } else {
        overwrite(bytes, at, &value.to_be_bytes()[8 - width..]);
    }
}

fn overwrite(bytes: &mut [u8], at: usize, with: &[u8]) {
    for (byte, new) in bytes[at..].iter_mut().zip(with) {
        *byte = *new;
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn inputs_are_many_and_follow_from_the_seed() {
        let encodings = [b"encoding".to_vec(), vec![7; 300]];
        let inputs = |seed| {
            let mut random = Random::new(seed);
            (0..1000)
                .map(|_| mutated(&encodings, &mut random))
                .collect::<BTreeSet<_>>()
        };
        assert_eq!(inputs(3), inputs(3));
        assert_ne!(inputs(3), inputs(5));
        assert!(inputs(3).len() > 600, "{}", inputs(3).len());
        let longer = inputs(3).iter().filter(|input| input.len() > 300).count();
        let shorter = inputs(3).iter().filter(|input| input.len() < 8).count();
        assert!(longer > 20 && shorter > 20, "{longer} {shorter}");
    }

    #[test]
    fn nothing_is_needed_to_begin_with() {
        let mut random = Random::new(1);
        assert!((0..1000).any(|_| !mutated(&[], &mut random).is_empty()));
    }
}
