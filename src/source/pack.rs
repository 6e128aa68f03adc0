//! Looks at a pack of objects while it comes, before libgit2 does: what an object says of its size
//! is held to a bound before anyone unpacks it. A difference of some bytes may stand for an object of
//! gigabytes, and libgit2 would make it.

use flate2::{Decompress, FlushDecompress, Status};
use git2::Oid;

use crate::source::error::FetchError;
use crate::source::objects::{BLOB_BYTES_MAX, COMMIT_BYTES_MAX, TREE_BYTES_MAX};

/// Most objects of a pack.
const OBJECTS_MAX: u64 = 2_000_000;
/// Most bytes that differences may make in all, and how many more for each byte that has come. Of honest
/// histories a large file comes closest of which each change is small: one of 5 MB that a thousand commits
/// change makes 5 GB, and comes as 1 MB.
const MADE_BYTES_MAX: u64 = 4 << 30;
const MADE_RATIO_MAX: u64 = 10_000;
/// The largest object that libgit2 keeps while it makes others of it. In a row of larger ones each is made
/// anew from the beginning: of honest rows, which have up to 50, that is some 25 times what they make.
const KEPT_BYTES_MAX: u64 = 1 << 20;
/// How often over, for that reason, everything may be made.
const ANEW_MAX: u64 = 32;
/// Most bytes of all objects of a pack, unpacked.
const UNPACKED_BYTES_MAX: u64 = 64 << 30;
/// Bytes of a pack before its first object.
const HEAD_BYTES: usize = 12;
/// Bytes of an object before its data: a size of 64 bits takes 10, what it is made from up to 20.
const OBJECT_HEAD_BYTES_MAX: usize = 32;
/// Bytes of a difference that are enough to tell the sizes of what it is made from and makes.
const DELTA_HEAD_BYTES: usize = 20;

/// What a mirror knows of an object that a difference is made from: its size.
pub(super) type SizeOf = Box<dyn FnMut(Oid) -> Option<u64> + Send>;

/// A pack, as far as it has come.
pub(super) struct Pack {
    size_of: SizeOf,
    /// Bytes of the pack before those that are looked at.
    offset: u64,
    /// Objects that have yet to come.
    objects: u64,
    unpacked: u64,
    /// Where commits and tags begin, those told by their differences included.
    commits: Vec<u64>,
    /// Where objects begin that are too large for differences to be made from them.
    large: Vec<u64>,
    /// What differences make.
    made: u64,
    /// The same with what is made anew for it.
    made_anew: u64,
    /// Where differences begin that make what is not kept, and how much it takes to make each.
    rows: Vec<(u64, u64)>,
    /// What those of them make whose base is only known by its id: they may be one row.
    unknown_row: u64,
    /// Whether a difference is made from an object that the mirror does not have: any blob of this
    /// pack may be it, whichever of them comes first.
    unknown_base: bool,
    state: State,
}

enum State {
    /// The head of the pack, or of an object, as far as it has come.
    Head(Vec<u8>),
    Data(Box<Data>),
    /// All objects have come; a checksum follows.
    Over,
}

/// The data of an object, as far as it has come.
struct Data {
    inflate: Decompress,
    /// Where the object begins.
    begins: u64,
    /// What a difference is made from, and the first bytes of it.
    delta: Option<(Base, Vec<u8>)>,
}

#[derive(Clone, Copy)]
enum Base {
    /// The object that begins there.
    At(u64),
    /// An object of this id, here or in the mirror.
    Named(Oid),
}

/// Where a difference stands among those that are made from one another.
#[derive(Clone, Copy)]
enum Row {
    /// It is made from what the mirror has.
    BeginsThere,
    /// It is made from what begins there.
    GoesOn(u64),
    /// It may be made from any of which the same is not known.
    Unknown,
}

/// What an object says of itself before its data.
struct Head {
    kind: u8,
    bytes: u64,
    base: Option<Base>,
}

const COMMIT: u8 = 1;
const TREE: u8 = 2;
const TAG: u8 = 4;
const OFFSET_DELTA: u8 = 6;
const NAMED_DELTA: u8 = 7;

/// A blob that a difference stands for, or is made from.
const TOLD: &str = "file that is told by a difference";

impl Pack {
    /// A pack of which nothing has come.
    pub(super) fn new(size_of: SizeOf) -> Self {
        Self {
            size_of,
            offset: 0,
            objects: u64::MAX,
            unpacked: 0,
            commits: Vec::new(),
            large: Vec::new(),
            made: 0,
            made_anew: 0,
            rows: Vec::new(),
            unknown_row: 0,
            unknown_base: false,
            state: State::Head(Vec::new()),
        }
    }

    /// Looks at what comes next. What is no pack is left to libgit2, which says so.
    pub(super) fn look_at(&mut self, mut bytes: &[u8]) -> Result<(), FetchError> {
        while !bytes.is_empty() {
            let used = match std::mem::replace(&mut self.state, State::Over) {
                State::Over => return Ok(()),
                State::Head(head) => self.head(head, bytes)?,
                State::Data(data) => self.data(data, bytes)?,
            };
            self.offset += used as u64;
            bytes = &bytes[used..];
        }
        Ok(())
    }

    /// Goes on with a head; how many bytes it took.
    fn head(&mut self, mut head: Vec<u8>, bytes: &[u8]) -> Result<usize, FetchError> {
        let begins = self.offset - head.len() as u64;
        if self.objects == u64::MAX {
            let taken = bytes.len().min(HEAD_BYTES - head.len());
            head.extend_from_slice(&bytes[..taken]);
            if head.len() == HEAD_BYTES {
                let number = [head[8], head[9], head[10], head[11]];
                self.objects = u64::from(u32::from_be_bytes(number));
                if self.objects > OBJECTS_MAX {
                    return Err(FetchError::TooLarge { bound: "objects", limit: OBJECTS_MAX });
                }
                head = Vec::new();
            }
            self.state = if self.objects == 0 { State::Over } else { State::Head(head) };
            return Ok(taken);
        }
        for (taken, byte) in bytes.iter().enumerate() {
            head.push(*byte);
            if let Some(read) = read_head(&head, begins) {
                self.hold(&read, begins)?;
                let delta = read.base.map(|base| (base, Vec::new()));
                let inflate = Decompress::new(true);
                self.state = State::Data(Box::new(Data { inflate, begins, delta }));
                return Ok(taken + 1);
            }
            if head.len() >= OBJECT_HEAD_BYTES_MAX {
                return Err(damaged());
            }
        }
        self.state = State::Head(head);
        Ok(bytes.len())
    }

    /// Goes on with data; how many bytes it took.
    fn data(&mut self, mut data: Box<Data>, bytes: &[u8]) -> Result<usize, FetchError> {
        let mut buffer = [0; 16 << 10];
        let mut used = 0;
        loop {
            let (read, written) = (data.inflate.total_in(), data.inflate.total_out());
            let status =
                data.inflate.decompress(&bytes[used..], &mut buffer, FlushDecompress::None);
            let counted = |total: u64, before: u64| usize::try_from(total - before).unwrap_or(0);
            used += counted(data.inflate.total_in(), read);
            let inflated = counted(data.inflate.total_out(), written);
            self.unpacked += inflated as u64;
            if self.unpacked > UNPACKED_BYTES_MAX {
                let limit = UNPACKED_BYTES_MAX;
                return Err(FetchError::TooLarge { bound: "bytes, unpacked", limit });
            }
            if let Some((base, head)) = &mut data.delta {
                head.extend_from_slice(&buffer[..inflated.min(DELTA_HEAD_BYTES - head.len())]);
                let (base, head) = (*base, head.clone());
                if let Some((from, to)) = delta_sizes(&head) {
                    data.delta = None;
                    self.hold_delta(base, from, to, data.begins)?;
                }
            }
            match status {
                // It never said what it makes.
                Ok(Status::StreamEnd) if data.delta.is_some() => return Err(damaged()),
                Ok(Status::StreamEnd) => {
                    self.objects -= 1;
                    self.state =
                        if self.objects == 0 { State::Over } else { State::Head(Vec::new()) };
                    return Ok(used);
                }
                Ok(_) if used < bytes.len() || inflated == buffer.len() => {}
                Ok(_) => {
                    self.state = State::Data(data);
                    return Ok(used);
                }
                Err(_) => return Err(damaged()),
            }
        }
    }

    /// Holds an object to what it may have.
    fn hold(&mut self, head: &Head, begins: u64) -> Result<(), FetchError> {
        match head.kind {
            COMMIT | TAG => {
                self.commits.push(begins);
                fits("commit or tag", head.bytes, COMMIT_BYTES_MAX)
            }
            TREE => fits("folder", head.bytes, TREE_BYTES_MAX),
            OFFSET_DELTA | NAMED_DELTA => fits("difference", head.bytes, BLOB_BYTES_MAX),
            _ => {
                // It goes to the disk as it comes.
                if head.bytes > BLOB_BYTES_MAX as u64 {
                    self.large.push(begins);
                }
                self.hold_unknown_base()
            }
        }
    }

    /// Holds what a difference is made from and makes to what they may have.
    fn hold_delta(
        &mut self,
        base: Base,
        from: u64,
        to: u64,
        begins: u64,
    ) -> Result<(), FetchError> {
        let mut row = Row::BeginsThere;
        let from = match base {
            Base::At(place) if self.large.binary_search(&place).is_ok() => u64::MAX,
            Base::At(place) => {
                if self.commits.binary_search(&place).is_ok() {
                    self.commits.push(begins);
                    fits("commit or tag", to, COMMIT_BYTES_MAX)?;
                }
                row = Row::GoesOn(place);
                from
            }
            Base::Named(id) => {
                let known = (self.size_of)(id);
                if known.is_none() {
                    row = Row::Unknown;
                    self.unknown_base = true;
                }
                known.unwrap_or(0).max(from)
            }
        };
        self.hold_unknown_base()?;
        fits(TOLD, from.max(to), BLOB_BYTES_MAX)?;
        self.make(row, from, to, begins)
    }

    /// Adds what a difference makes of so much.
    fn make(&mut self, row: Row, from: u64, to: u64, begins: u64) -> Result<(), FetchError> {
        self.made += to;
        self.made_anew += to;
        if from.max(to) > KEPT_BYTES_MAX {
            let before = match row {
                Row::BeginsThere => from,
                Row::GoesOn(place) => match self.rows.binary_search_by_key(&place, |row| row.0) {
                    Ok(row) => self.rows[row].1,
                    Err(_) => from,
                },
                Row::Unknown => {
                    self.unknown_row += to;
                    self.unknown_row
                }
            };
            self.rows.push((begins, before + to));
            self.made_anew += before;
        }
        let limit = MADE_BYTES_MAX + MADE_RATIO_MAX * begins;
        if self.made > limit || self.made_anew > ANEW_MAX * limit {
            return Err(FetchError::TooLarge { bound: "bytes, made of differences,", limit });
        }
        Ok(())
    }

    /// Refuses a pack with a difference that may be made from one of its large blobs.
    fn hold_unknown_base(&self) -> Result<(), FetchError> {
        let from = if self.unknown_base && !self.large.is_empty() { u64::MAX } else { 0 };
        fits(TOLD, from, BLOB_BYTES_MAX)
    }
}

fn damaged() -> FetchError {
    FetchError::Remote("a pack that is damaged".to_owned())
}

fn fits(kind: &str, bytes: u64, limit: usize) -> Result<(), FetchError> {
    if bytes <= limit as u64 {
        return Ok(());
    }
    let bytes = if bytes == u64::MAX { "far too many".to_owned() } else { bytes.to_string() };
    Err(FetchError::Object(format!("a {kind} of {bytes} bytes; at most {limit} are taken")))
}

/// The head of an object that begins there, if all of it has come.
fn read_head(bytes: &[u8], begins: u64) -> Option<Head> {
    let mut rest = bytes.iter();
    let mut byte = *rest.next()?;
    let kind = byte >> 4 & 7;
    let mut size = u64::from(byte & 15);
    let mut shift = 4;
    while byte & 0x80 != 0 {
        byte = *rest.next()?;
        size |= u64::from(byte & 0x7F).checked_shl(shift).unwrap_or(u64::MAX);
        shift += 7;
    }
    let base = match kind {
        OFFSET_DELTA => {
            let mut byte = *rest.next()?;
            let mut back = u64::from(byte & 0x7F);
            while byte & 0x80 != 0 {
                byte = *rest.next()?;
                back = (back.wrapping_add(1) << 7) | u64::from(byte & 0x7F);
            }
            Some(Base::At(begins.wrapping_sub(back)))
        }
        NAMED_DELTA => Some(Base::Named(Oid::from_bytes(rest.as_slice().get(..20)?).ok()?)),
        _ => None,
    };
    Some(Head { kind, bytes: size, base })
}

/// The sizes of what a difference is made from and of what it makes, if both have come.
fn delta_sizes(bytes: &[u8]) -> Option<(u64, u64)> {
    let mut rest = bytes.iter();
    let mut size = || {
        let (mut size, mut shift) = (0, 0);
        loop {
            let byte = *rest.next()?;
            size |= u64::from(byte & 0x7F).checked_shl(shift).unwrap_or(u64::MAX);
            shift += 7;
            if byte & 0x80 == 0 {
                return Some(size);
            }
        }
    };
    Some((size()?, size()?))
}

#[cfg(test)]
#[path = "pack_tests.rs"]
#[expect(clippy::cast_possible_truncation, reason = "small numbers")]
mod tests;
