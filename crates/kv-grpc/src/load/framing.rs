/// Bytes of the head of a message: whether it is compressed, and how long it is.
const HEAD_BYTES: usize = 5;

/// Follows gRPC's messages in a stream of bytes.
#[derive(Debug, Default)]
pub(super) struct Framing {
    head: [u8; HEAD_BYTES],
    /// How much of the head is there.
    head_len: usize,
    /// What is missing of the message whose head is there.
    missing: usize,
    /// Bytes of a message whose end has not come yet, its head included.
    unfinished: usize,
}

impl Framing {
    /// Bytes that have come of a message whose end has not.
    pub(super) fn unfinished(&self) -> usize {
        self.unfinished
    }

    pub(super) fn pass(&mut self, mut data: &[u8]) {
        while !data.is_empty() {
            let taken = if self.missing > 0 {
                let taken = self.missing.min(data.len());
                self.missing -= taken;
                taken
            } else {
                let taken = (HEAD_BYTES - self.head_len).min(data.len());
                self.head[self.head_len..][..taken].copy_from_slice(&data[..taken]);
                self.head_len += taken;
                if self.head_len == HEAD_BYTES {
                    let [_, length @ ..] = self.head;
                    self.missing = u32::from_be_bytes(length) as usize;
                    self.head_len = 0;
                }
                taken
            };
            data = &data[taken..];
            self.unfinished += taken;
            if self.missing == 0 && self.head_len == 0 {
                self.unfinished = 0;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_unfinished_is_known_at_every_byte() {
        let message = |length: u8| {
            let head = [0, 0, 0, 0, length];
            [&head[..], &vec![7; length.into()]].concat()
        };
        let bytes = [message(3), message(0), message(200)].concat();
        let mut framing = Framing::default();
        let unfinished: Vec<usize> = bytes
            .iter()
            .map(|byte| {
                framing.pass(std::slice::from_ref(byte));
                framing.unfinished()
            })
            .collect();
        assert_eq!(unfinished[..13], [1, 2, 3, 4, 5, 6, 7, 0, 1, 2, 3, 4, 0]);
        assert_eq!(unfinished[13..217], (1..205).collect::<Vec<_>>());
        assert_eq!(unfinished[217..], [0]);

        let mut whole = Framing::default();
        whole.pass(&bytes[..100]);
        assert_eq!(whole.unfinished(), 87);
        whole.pass(&bytes[100..]);
        assert_eq!(whole.unfinished(), 0);
    }
}
