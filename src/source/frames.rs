//! Finds the pack in what a Git server sends: packet lines (`gitprotocol-common(5)`), whose first
//! byte tells the pack from what else the server has to say, or the bare pack behind them.

use crate::source::error::FetchError;
use crate::source::pack::Pack;

/// The first byte of a line that brings a part of the pack.
const PACK_BAND: u8 = 1;
/// How a bare pack begins.
const SIGNATURE: &[u8] = b"PACK";
/// Digits of the length of a line.
const LENGTH_BYTES: usize = 4;

/// What a server sends, as far as it has come.
pub(super) struct Frames {
    pack: Pack,
    state: State,
}

enum State {
    /// The length of a line, as far as it has come.
    Length(Vec<u8>),
    /// So many bytes of a line have yet to come; whether they are of the pack is told by the first.
    Line { left: usize, is_pack: Option<bool> },
    /// All that comes is the pack.
    Bare,
    /// No Git server sends this.
    Unknown,
}

impl Frames {
    /// Of which nothing has come.
    pub(super) fn new(pack: Pack) -> Self {
        Self { pack, state: State::Length(Vec::new()) }
    }

    /// Looks at what comes next.
    pub(super) fn look_at(&mut self, mut bytes: &[u8]) -> Result<(), FetchError> {
        while !bytes.is_empty() {
            match &mut self.state {
                State::Unknown => return Ok(()),
                State::Bare => return self.pack.look_at(bytes),
                State::Length(digits) => {
                    let taken = bytes.len().min(LENGTH_BYTES - digits.len());
                    digits.extend_from_slice(&bytes[..taken]);
                    bytes = &bytes[taken..];
                    if digits.len() == LENGTH_BYTES {
                        let digits = std::mem::take(digits);
                        self.begin(&digits)?;
                    }
                }
                State::Line { left, is_pack } => {
                    if is_pack.is_none() {
                        *is_pack = Some(bytes[0] == PACK_BAND);
                        bytes = &bytes[1..];
                        *left -= 1;
                    }
                    let taken = bytes.len().min(*left);
                    if *is_pack == Some(true) {
                        self.pack.look_at(&bytes[..taken])?;
                    }
                    bytes = &bytes[taken..];
                    *left -= taken;
                    if *left == 0 {
                        self.state = State::Length(Vec::new());
                    }
                }
            }
        }
        Ok(())
    }

    fn begin(&mut self, digits: &[u8]) -> Result<(), FetchError> {
        let length =
            std::str::from_utf8(digits).ok().and_then(|d| usize::from_str_radix(d, 16).ok());
        self.state = match length {
            _ if digits == SIGNATURE => {
                self.pack.look_at(digits)?;
                State::Bare
            }
            None => State::Unknown,
            Some(..=LENGTH_BYTES) => State::Length(Vec::new()),
            Some(length) => State::Line { left: length - LENGTH_BYTES, is_pack: None },
        };
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pack_is_found_in_all_forms_however_it_is_cut() {
        // The head of a pack with more objects than anyone has.
        let pack = b"PACK\0\0\0\x02\xff\xff\xff\xff";
        let line = |band: &[u8], text: &[u8]| {
            let length = format!("{:04x}", LENGTH_BYTES + band.len() + text.len());
            [length.as_bytes(), band, text].concat()
        };
        let bare = [line(b"", b"NAK\n"), pack.to_vec()].concat();
        let banded = [
            b"0000".to_vec(),
            line(b"", b"NAK\n"),
            line(b"\x02", b"counting\n"),
            line(b"\x01", &pack[..5]),
            line(b"\x01", &pack[5..]),
        ]
        .concat();
        for (bytes, found) in [
            (&bare[..], true),
            (&banded, true),
            (&bare[..bare.len() - 1], false),
            (b"<html>PACK\0\0\0\x02\xff\xff\xff\xff", false),
        ] {
            for cut in 1..bytes.len() {
                let mut frames = Frames::new(Pack::new(Box::new(|_| None)));
                let refused = bytes.chunks(cut).any(|part| frames.look_at(part).is_err());
                assert_eq!(refused, found, "{cut}");
            }
        }
    }
}
