//! Takes the pack out of what a Git server sends: packet lines (`gitprotocol-common(5)`), whose first
//! byte tells the pack from what else the server has to say, or the bare pack behind them. libgit2 is
//! handed all but the pack, and in its stead one without objects.

use std::path::Path;

use crate::source::error::FetchError;
use crate::source::pack::Pack;

/// The first byte of a line that brings a part of the pack.
const PACK_BAND: u8 = 1;
/// How a bare pack begins.
const SIGNATURE: &[u8] = b"PACK";
/// Digits of the length of a line.
const LENGTH_BYTES: usize = 4;
/// A pack without objects, with the SHA-1 of its head.
const EMPTY: &[u8; 32] = b"PACK\0\0\0\x02\0\0\0\0\
    \x02\x9d\x08\x82\x3b\xd8\xa8\xea\xb5\x10\xad\x6a\xc7\x5c\x82\x3c\xfd\x3e\xd3\x1e";
/// The name of that pack in a mirror.
pub(super) const EMPTY_NAME: &str = "pack-029d08823bd8a8eab510ad6ac75c823cfd3ed31e";

/// What a server sends, as far as it has come.
pub(super) struct Frames {
    /// None: it is in its place.
    pack: Option<Pack>,
    state: State,
}

enum State {
    /// The length of a line, as far as it has come.
    Length(Vec<u8>),
    /// So many bytes of a line have yet to come, of which the first tells whether they are of the pack.
    Begin { length: Vec<u8>, left: usize },
    /// So many bytes of a line have yet to come.
    Line { left: usize, is_pack: bool },
    /// All that comes is the pack.
    Bare,
    /// No Git server sends this.
    Unknown,
}

impl Frames {
    /// Of which nothing has come. What comes is for this mirror.
    pub(super) fn new(mirror: &Path) -> Self {
        Self { pack: Some(Pack::new(mirror)), state: State::Length(Vec::new()) }
    }

    /// Takes what comes next, and adds to `out` what is to be handed on.
    pub(super) fn take(&mut self, mut bytes: &[u8], out: &mut Vec<u8>) -> Result<(), FetchError> {
        while !bytes.is_empty() {
            match &mut self.state {
                State::Unknown => {
                    out.extend_from_slice(bytes);
                    return Ok(());
                }
                State::Bare => {
                    if self.pack(bytes)? {
                        out.extend_from_slice(EMPTY);
                    }
                    return Ok(());
                }
                State::Length(digits) => {
                    let taken = bytes.len().min(LENGTH_BYTES - digits.len());
                    digits.extend_from_slice(&bytes[..taken]);
                    bytes = &bytes[taken..];
                    if digits.len() == LENGTH_BYTES {
                        let digits = std::mem::take(digits);
                        self.begin(digits, out)?;
                    }
                }
                State::Begin { length, left } => {
                    let is_pack = bytes[0] == PACK_BAND;
                    if !is_pack {
                        out.extend_from_slice(length);
                        out.push(bytes[0]);
                    }
                    bytes = &bytes[1..];
                    let left = *left - 1;
                    self.state = State::Line { left, is_pack };
                    self.end_of_line();
                }
                State::Line { left, is_pack } => {
                    let taken = bytes.len().min(*left);
                    let (part, rest) = bytes.split_at(taken);
                    *left -= taken;
                    bytes = rest;
                    if !*is_pack {
                        out.extend_from_slice(part);
                    } else if self.pack(part)? {
                        let length = LENGTH_BYTES + 1 + EMPTY.len();
                        out.extend_from_slice(format!("{length:04x}\x01").as_bytes());
                        out.extend_from_slice(EMPTY);
                    }
                    self.end_of_line();
                }
            }
        }
        Ok(())
    }

    fn begin(&mut self, digits: Vec<u8>, out: &mut Vec<u8>) -> Result<(), FetchError> {
        let length = std::str::from_utf8(&digits).ok();
        let length = length.and_then(|digits| usize::from_str_radix(digits, 16).ok());
        self.state = match length {
            _ if digits == SIGNATURE => {
                self.pack(&digits)?;
                State::Bare
            }
            Some(length) if length > LENGTH_BYTES => {
                State::Begin { length: digits, left: length - LENGTH_BYTES }
            }
            found => {
                out.extend_from_slice(&digits);
                if found.is_some() { State::Length(Vec::new()) } else { State::Unknown }
            }
        };
        Ok(())
    }

    fn end_of_line(&mut self) {
        if matches!(self.state, State::Line { left: 0, .. }) {
            self.state = State::Length(Vec::new());
        }
    }

    /// Takes in a part of the pack; whether it was the last, and the pack is in its place.
    fn pack(&mut self, bytes: &[u8]) -> Result<bool, FetchError> {
        let Some(pack) = &mut self.pack else {
            return Err(FetchError::Remote("more than one pack".to_owned()));
        };
        pack.take(bytes)?;
        match self.pack.take_if(|pack| pack.is_over()) {
            Some(pack) => pack.finish().map(|()| true),
            None => Ok(false),
        }
    }
}

#[cfg(test)]
mod tests {
    use git2::{ObjectType, Oid, Repository as Git};
    use tempfile::TempDir;

    use super::*;

    fn line(band: &[u8], text: &[u8]) -> Vec<u8> {
        let length = format!("{:04x}", LENGTH_BYTES + band.len() + text.len());
        [length.as_bytes(), band, text].concat()
    }

    #[test]
    fn all_but_the_pack_is_handed_on_in_all_forms_however_it_is_cut() {
        let pack = crate::source::pack::tests::pack_of_hello();
        let bare = [line(b"", b"NAK\n"), pack.clone()].concat();
        let banded = [
            line(b"", b"NAK\n"),
            line(b"\x02", b"counting\n"),
            line(b"\x01", &pack[..5]),
            line(b"\x02", b""),
            line(b"\x01", &pack[5..]),
            b"0000".to_vec(),
        ]
        .concat();
        let handed_bare = [line(b"", b"NAK\n"), EMPTY.to_vec()].concat();
        let handed_banded = [
            line(b"", b"NAK\n"),
            line(b"\x02", b"counting\n"),
            line(b"\x02", b""),
            line(b"\x01", EMPTY),
            b"0000".to_vec(),
        ]
        .concat();
        let page = b"<html>PACK\0\0\0\x02\xff\xff\xff\xff";
        for (bytes, handed, has_pack) in [
            (&bare[..], &handed_bare[..], true),
            (&banded, &handed_banded, true),
            (&bare[..bare.len() - 1], &bare[..8], false),
            (page, page, false),
        ] {
            for cut in 1..bytes.len() {
                let folder = TempDir::new().unwrap();
                let git = Git::init_bare(folder.path()).unwrap();
                let (mut frames, mut out) = (Frames::new(folder.path()), Vec::new());
                bytes.chunks(cut).for_each(|part| frames.take(part, &mut out).unwrap());
                assert_eq!(out, handed, "{cut}");
                let hello = Oid::hash_object(ObjectType::Blob, b"hello").unwrap();
                assert_eq!(git.find_blob(hello).is_ok(), has_pack, "{cut}");
            }
        }
    }
}
