use std::fmt::Display;
use std::io::Write as _;

use crate::failure::{Failure, code};
use crate::text::quote::quote;

/// What is to be printed, on both outputs.
#[derive(Debug, Default)]
pub(crate) struct Page {
    /// Standard output.
    pub(crate) out: Vec<u8>,
    /// Standard error.
    pub(crate) err: Vec<u8>,
    /// Keys, values and IDs in hexadecimal.
    pub(crate) hex: bool,
}

impl Page {
    pub(crate) fn new(hex: bool) -> Self {
        Self {
            hex,
            ..Self::default()
        }
    }

    /// A line of bytes, whatever they are.
    pub(crate) fn line(&mut self, bytes: impl AsRef<[u8]>) {
        self.out.extend_from_slice(bytes.as_ref());
        self.out.push(b'\n');
    }

    /// Text as it is.
    pub(crate) fn text(&mut self, text: &str) {
        self.raw(text.as_bytes());
    }

    /// Bytes as they are.
    pub(crate) fn raw(&mut self, bytes: &[u8]) {
        self.out.extend_from_slice(bytes);
    }

    /// A line on standard error.
    pub(crate) fn complain(&mut self, text: &str) {
        self.err.extend_from_slice(text.as_bytes());
        self.err.push(b'\n');
    }

    /// A key or a value on a line of its own.
    pub(crate) fn bytes_line(&mut self, bytes: &[u8]) {
        if self.hex {
            let escaped: String = bytes.iter().map(|byte| format!("\\x{byte:02x}")).collect();
            self.line(escaped);
        } else {
            self.line(bytes);
        }
    }

    /// A named field.
    pub(crate) fn field(&mut self, name: &str, value: impl Display) {
        self.line(format!("\"{name}\" : {value}"));
    }

    /// A named field with a quoted string.
    pub(crate) fn quoted(&mut self, name: &str, value: &[u8]) {
        self.field(name, quote(value));
    }

    /// Writes it out, standard error first as nothing there waits in a buffer.
    ///
    /// # Errors
    /// The output is closed or full.
    pub(crate) fn print(&self) -> Result<(), Failure> {
        let written = std::io::stderr().write_all(&self.err).and_then(|()| {
            let mut out = std::io::stdout().lock();
            out.write_all(&self.out)?;
            out.flush()
        });
        written.map_err(|error| match error.kind() {
            // Whoever read the output has seen enough.
            std::io::ErrorKind::BrokenPipe => Failure::silent(code::IO),
            _ => Failure::new(code::IO, format!("write output: {error}")),
        })
    }
}
