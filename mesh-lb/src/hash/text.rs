//! Short texts that are hashed and forgotten.

use std::fmt;

/// Room for two socket addresses, so that hashing them needs no allocation.
///
/// Each is at most 58 bytes: 39 of IPv6, 11 of scope, brackets, colons and a port.
#[derive(Clone, Debug)]
pub(crate) struct StackText {
    bytes: [u8; 128],
    length: usize,
}

impl Default for StackText {
    fn default() -> Self {
        Self { bytes: [0; 128], length: 0 }
    }
}

impl StackText {
    /// `None` if there is no room.
    pub(crate) fn push_byte(&mut self, byte: u8) -> Option<()> {
        *self.bytes.get_mut(self.length)? = byte;
        self.length += 1;
        Some(())
    }

    pub(crate) fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..self.length).unwrap_or_default()
    }
}

impl fmt::Write for StackText {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let end = self.length + text.len();
        self.bytes.get_mut(self.length..end).ok_or(fmt::Error)?.copy_from_slice(text.as_bytes());
        self.length = end;
        Ok(())
    }
}
