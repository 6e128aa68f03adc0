//! The index of a pack (`gitformat-pack(5)`, version 2), by which its objects are found.

use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use git2::Oid;
use sha1::{Digest, Sha1};

use crate::source::error::FetchError;
use crate::source::packed::{Entry, damaged};

/// How an index of version 2 begins.
const HEAD: [u8; 8] = [0xFF, b't', b'O', b'c', 0, 0, 0, 2];
/// From there on a place in a pack is told by a number of 64 bits.
const FAR: u64 = 1 << 31;
/// The name of an index in the folder of packs, until it is in its place.
const INCOMING: &str = "headstay-incoming-index";

/// The objects of a pack in the order of their ids. None may be there twice: by which of the two it is
/// found is nobody's to say.
pub(super) fn order(entries: &[Entry]) -> Result<Vec<u32>, FetchError> {
    let id = |at: &u32| entries[*at as usize].id;
    let mut order: Vec<u32> = (0..).take(entries.len()).collect();
    order.sort_unstable_by_key(id);
    let is_once = order.windows(2).all(|two| id(&two[0]) != id(&two[1]));
    if is_once { Ok(order) } else { Err(damaged()) }
}

/// Writes the index of a pack, of this sum, beside its place.
pub(super) fn write(
    folder: &Path,
    entries: &[Entry],
    order: &[u32],
    sum: Oid,
) -> Result<(), FetchError> {
    let path = incoming(folder);
    let write = || -> io::Result<()> {
        let mut index = Summed::new(BufWriter::new(File::create(&path)?));
        let all = || order.iter().map(|at| &entries[*at as usize]);
        index.write_all(&HEAD)?;
        let mut count: u32 = 0;
        let mut first = all().map(|entry| entry.id.as_bytes()[0]).peekable();
        for byte in 0..=u8::MAX {
            while first.next_if_eq(&byte).is_some() {
                count += 1;
            }
            index.write_all(&count.to_be_bytes())?;
        }
        for entry in all() {
            index.write_all(entry.id.as_bytes())?;
        }
        for entry in all() {
            index.write_all(&entry.crc.to_be_bytes())?;
        }
        let mut far: u32 = 0;
        for entry in all() {
            let place = match u32::try_from(entry.begins) {
                Ok(near) if entry.begins < FAR => near,
                _ => {
                    far += 1;
                    (far - 1) | 1 << 31
                }
            };
            index.write_all(&place.to_be_bytes())?;
        }
        for entry in all().filter(|entry| entry.begins >= FAR) {
            index.write_all(&entry.begins.to_be_bytes())?;
        }
        index.write_all(sum.as_bytes())?;
        let own = index.sum();
        index.write_all(&own)?;
        index.flush()
    };
    write().map_err(|source| FetchError::Disk { path: path.clone(), source })
}

/// Puts the index that was written into its place.
pub(super) fn put(folder: &Path, place: &Path) -> Result<(), FetchError> {
    let put = fs::rename(incoming(folder), place);
    put.map_err(|source| FetchError::Disk { path: place.to_owned(), source })
}

fn incoming(folder: &Path) -> PathBuf {
    folder.join(INCOMING)
}

/// A writer whose bytes are summed up as they are written.
pub(super) struct Summed<W> {
    to: W,
    hash: Sha1,
}

impl<W: Write> Summed<W> {
    /// To which nothing is written yet.
    pub(super) fn new(to: W) -> Self {
        Self { to, hash: Sha1::new() }
    }

    /// The SHA-1 of what was written so far.
    pub(super) fn sum(&self) -> [u8; 20] {
        self.hash.clone().finalize().into()
    }
}

impl<W: Write> Write for Summed<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.to.write(bytes)?;
        self.hash.update(&bytes[..written]);
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.to.flush()
    }
}
