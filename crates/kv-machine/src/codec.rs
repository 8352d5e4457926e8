//! Reading and writing the bytes of commands and records.
//!
//! | item | layout |
//! |---|---|
//! | unsigned | LEB128, at most 10 bytes |
//! | signed | zigzag, then as unsigned |
//! | flag | one byte, 0 or 1 |
//! | bytes | length as unsigned, then the bytes |
//! | list | count as unsigned, then the items |

use bytes::Bytes;
use thiserror::Error;

/// Bytes that are no command or record of this version.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("undecodable {what} at byte {offset}")]
pub struct CodecError {
    /// What was being read.
    pub what: &'static str,
    /// Where, from the start of the buffer.
    pub offset: usize,
}

/// Appends items to a buffer.
pub(crate) trait Write {
    fn unsigned(&mut self, value: u64);
    fn signed(&mut self, value: i64);
    fn flag(&mut self, value: bool);
    fn bytes(&mut self, value: &[u8]);
    fn tag(&mut self, value: u8);
}

impl Write for Vec<u8> {
    fn unsigned(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.push((value & 0x7f) as u8 | 0x80);
            value >>= 7;
        }
        self.push((value & 0x7f) as u8);
    }

    fn signed(&mut self, value: i64) {
        self.unsigned(((value << 1) ^ (value >> 63)).cast_unsigned());
    }

    fn flag(&mut self, value: bool) {
        self.push(u8::from(value));
    }

    fn bytes(&mut self, value: &[u8]) {
        self.unsigned(value.len() as u64);
        self.extend_from_slice(value);
    }

    fn tag(&mut self, value: u8) {
        self.push(value);
    }
}

/// Takes items from a buffer.
pub(crate) struct Reader<'a> {
    buffer: &'a [u8],
    offset: usize,
}

impl<'a> Reader<'a> {
    pub(crate) fn new(buffer: &'a [u8]) -> Self {
        Self { buffer, offset: 0 }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.offset == self.buffer.len()
    }

    pub(crate) fn error(&self, what: &'static str) -> CodecError {
        CodecError {
            what,
            offset: self.offset,
        }
    }

    /// Succeeds if nothing is left.
    pub(crate) fn finish(self) -> Result<(), CodecError> {
        if self.is_empty() {
            Ok(())
        } else {
            Err(self.error("end"))
        }
    }

    pub(crate) fn tag(&mut self) -> Result<u8, CodecError> {
        let byte = *self.buffer.get(self.offset).ok_or_else(|| self.error("tag"))?;
        self.offset += 1;
        Ok(byte)
    }

    pub(crate) fn flag(&mut self) -> Result<bool, CodecError> {
        match self.tag()? {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(self.error("flag")),
        }
    }

    pub(crate) fn unsigned(&mut self) -> Result<u64, CodecError> {
        let mut value = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.tag()?;
            let bits = u64::from(byte & 0x7f);
            if shift == 63 && bits > 1 {
                break;
            }
            value |= bits << shift;
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(self.error("number"))
    }

    pub(crate) fn signed(&mut self) -> Result<i64, CodecError> {
        let value = self.unsigned()?;
        Ok((value >> 1).cast_signed() ^ -(value & 1).cast_signed())
    }

    /// A slice of the buffer itself.
    pub(crate) fn slice(&mut self) -> Result<&'a [u8], CodecError> {
        let length = self.unsigned()?;
        let rest = &self.buffer[self.offset..];
        let length = usize::try_from(length)
            .ok()
            .filter(|length| *length <= rest.len());
        let length = length.ok_or_else(|| self.error("length"))?;
        self.offset += length;
        Ok(&rest[..length])
    }

    /// A copy: what is kept must not hold on to a whole log entry.
    pub(crate) fn bytes(&mut self) -> Result<Bytes, CodecError> {
        self.slice().map(Bytes::copy_from_slice)
    }

    pub(crate) fn text(&mut self) -> Result<String, CodecError> {
        let bytes = self.slice()?;
        String::from_utf8(bytes.to_vec()).map_err(|_| self.error("text"))
    }

    /// A list; its count is bounded by what is left, so that a wrong one cannot reserve memory.
    pub(crate) fn list<T>(
        &mut self,
        mut item: impl FnMut(&mut Self) -> Result<T, CodecError>,
    ) -> Result<Vec<T>, CodecError> {
        let count = self.unsigned()?;
        let left = (self.buffer.len() - self.offset) as u64;
        if count > left {
            return Err(self.error("count"));
        }
        (0..count).map(|_| item(self)).collect()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn numbers_survive(unsigned: u64, signed: i64) {
            let mut buffer = Vec::new();
            buffer.unsigned(unsigned);
            buffer.signed(signed);
            let mut reader = Reader::new(&buffer);
            prop_assert_eq!(reader.unsigned(), Ok(unsigned));
            prop_assert_eq!(reader.signed(), Ok(signed));
            prop_assert_eq!(reader.finish(), Ok(()));
        }

        #[test]
        fn any_bytes_are_read_or_refused(buffer: Vec<u8>) {
            let mut reader = Reader::new(&buffer);
            let _ = reader.list(|r| Ok((r.signed()?, r.bytes()?, r.text()?, r.flag()?)));
        }
    }
}
