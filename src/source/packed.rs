//! An object as a pack has it (`gitformat-pack(5)`): what it says of itself before its data, and what that
//! may be.

use git2::{ObjectType, Oid};
use sha1::{Digest, Sha1};

use crate::source::error::FetchError;
use crate::source::objects::{BLOB_BYTES_MAX, COMMIT_BYTES_MAX, TREE_BYTES_MAX};

/// Bytes of an object before its data: a size of 64 bits takes 10, what it is made from up to 20.
pub(super) const OBJECT_HEAD_BYTES_MAX: usize = 32;

/// An object of a pack.
#[derive(Debug, Clone)]
pub(super) struct Entry {
    /// Where it begins.
    pub(super) begins: u64,
    /// The CRC-32 of its bytes in the pack.
    pub(super) crc: u32,
    /// The difference it came as.
    pub(super) base: Base,
    /// What it is.
    pub(super) kind: Kind,
    /// Its id, once it is known what it is.
    pub(super) id: Oid,
}

/// What an object is made from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Base {
    /// Nothing: it came as it is.
    Nothing,
    /// Another object of the pack.
    At(u32),
    /// An object of an id, here or in the mirror.
    Named,
}

/// What an object is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Commit,
    Tree,
    Blob,
    Tag,
    /// A difference, of which that is not known yet.
    Unknown,
}

impl Kind {
    /// Reads the number that it has in a pack.
    pub(super) fn read(number: u8) -> Option<Self> {
        Some(match number {
            1 => Self::Commit,
            2 => Self::Tree,
            3 => Self::Blob,
            4 => Self::Tag,
            OFFSET_DELTA | NAMED_DELTA => Self::Unknown,
            _ => return None,
        })
    }

    pub(super) fn of(kind: ObjectType) -> Self {
        match kind {
            ObjectType::Commit => Self::Commit,
            ObjectType::Tree => Self::Tree,
            ObjectType::Blob => Self::Blob,
            ObjectType::Tag => Self::Tag,
            ObjectType::Any => Self::Unknown,
        }
    }

    /// Its number in a pack.
    pub(super) fn number(self) -> u8 {
        match self {
            Self::Commit => 1,
            Self::Tree => 2,
            Self::Blob => 3,
            Self::Tag => 4,
            Self::Unknown => NAMED_DELTA,
        }
    }

    /// As libgit2 names it.
    pub(super) fn object_type(self) -> ObjectType {
        match self {
            Self::Commit => ObjectType::Commit,
            Self::Tree => ObjectType::Tree,
            Self::Blob => ObjectType::Blob,
            Self::Tag => ObjectType::Tag,
            Self::Unknown => ObjectType::Any,
        }
    }

    /// The hash of an object of so many bytes, up to its data.
    pub(super) fn hash(self, bytes: u64) -> Sha1 {
        Sha1::new_with_prefix(format!("{} {bytes}\0", self.object_type().str()))
    }

    /// Makes sure that an object of so many bytes may be made.
    pub(super) fn hold(self, bytes: u64) -> Result<(), FetchError> {
        match self {
            Self::Commit | Self::Tag => fits("commit or tag", bytes, COMMIT_BYTES_MAX),
            Self::Tree => fits("folder", bytes, TREE_BYTES_MAX),
            Self::Blob | Self::Unknown => fits(TOLD, bytes, BLOB_BYTES_MAX),
        }
    }
}

/// What an object says of itself before its data.
pub(super) struct Head {
    pub(super) number: u8,
    /// How many its data have, unpacked.
    pub(super) bytes: u64,
    /// What it is made from.
    pub(super) base: HeadBase,
    /// How many bytes it has itself.
    pub(super) length: usize,
}

/// What an object is made from, as its head says it.
#[derive(Clone, Copy)]
pub(super) enum HeadBase {
    Nothing,
    /// The object that begins there.
    At(u64),
    Named(Oid),
}

pub(super) const OFFSET_DELTA: u8 = 6;
pub(super) const NAMED_DELTA: u8 = 7;

/// A blob that a difference stands for, or is made from.
pub(super) const TOLD: &str = "file that is told by a difference";

pub(super) fn damaged() -> FetchError {
    FetchError::Remote("a pack that is damaged".to_owned())
}

pub(super) fn fits(kind: &str, bytes: u64, limit: usize) -> Result<(), FetchError> {
    if bytes <= limit as u64 {
        return Ok(());
    }
    let bytes = if bytes == u64::MAX { "far too many".to_owned() } else { bytes.to_string() };
    Err(FetchError::Object(format!("a {kind} of {bytes} bytes; at most {limit} are taken")))
}

/// The head of an object that begins there, if all of it has come.
pub(super) fn read_head(bytes: &[u8], begins: u64) -> Option<Head> {
    let mut rest = bytes.iter();
    let mut byte = *rest.next()?;
    let number = byte >> 4 & 7;
    let mut size = u64::from(byte & 15);
    let mut shift = 4;
    while byte & 0x80 != 0 {
        byte = *rest.next()?;
        size |= u64::from(byte & 0x7F).checked_shl(shift).unwrap_or(u64::MAX);
        shift += 7;
    }
    let base = match number {
        OFFSET_DELTA => {
            let mut byte = *rest.next()?;
            let mut back = u64::from(byte & 0x7F);
            while byte & 0x80 != 0 {
                byte = *rest.next()?;
                back = (back.wrapping_add(1) << 7) | u64::from(byte & 0x7F);
            }
            HeadBase::At(begins.wrapping_sub(back))
        }
        NAMED_DELTA => {
            let id = rest.as_slice().get(..20)?;
            rest.nth(19);
            HeadBase::Named(Oid::from_bytes(id).ok()?)
        }
        _ => HeadBase::Nothing,
    };
    let length = bytes.len() - rest.as_slice().len();
    Some(Head { number, bytes: size, base, length })
}

/// Writes the head of an object that is made from nothing.
pub(super) fn write_head(number: u8, bytes: u64) -> Vec<u8> {
    let low = |bits: u64| u8::try_from(bits & 0x7F).unwrap_or_default();
    let mut head = vec![number << 4 | low(bytes & 15)];
    let mut rest = bytes >> 4;
    while rest > 0 {
        if let Some(last) = head.last_mut() {
            *last |= 0x80;
        }
        head.push(low(rest));
        rest >>= 7;
    }
    head
}
