//! Makes the objects of a pack that came as differences from others, to learn their ids. What is made is
//! measured before it takes memory, and of what others are made from no more is kept at a time than has a
//! bound: the rest is made again when it is needed, which counts as well.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::os::unix::fs::FileExt;
use std::time::{Duration, Instant};

use flate2::bufread::ZlibDecoder;
use git2::{ObjectType, Oid};

use crate::source::error::FetchError;
use crate::source::mirror::local;
use crate::source::pack::MADE;
use crate::source::packed::{Base, Entry, Kind, OBJECT_HEAD_BYTES_MAX, damaged, read_head};

/// Most bytes that are kept of objects from which others are made, beside those in use.
const KEPT_BYTES_MAX: usize = 32 << 20;
/// Longest row of objects that are made from one another. Git makes rows of 50, and reads 4095.
const ROW_MAX: usize = 4096;
/// Longest time that all of it may take.
const TIME_MAX: Duration = Duration::from_mins(5);

/// An object that is not in the pack: its kind, and its data.
pub(super) type Known = Option<(ObjectType, Vec<u8>)>;

/// The objects of a pack that has come in full.
pub(super) struct Deltas<'p> {
    pack: &'p File,
    entries: &'p mut [Entry],
    /// What is made from objects of the pack that are told by their places, in the order of these.
    placed: Vec<u32>,
    /// Objects that are told by their ids, and what is made from them, in this order.
    named: &'p [(Oid, u32)],
    /// Bytes that were made.
    made: u64,
    limit: u64,
    until: Instant,
    /// Bytes that are kept.
    kept: usize,
    inflate: ZlibDecoder<BufReader<Part<'p>>>,
}

/// An object from which others are made.
struct Level {
    place: Place,
    kind: Kind,
    /// None: it has to be made again.
    data: Option<Vec<u8>>,
    /// What has yet to be made from it.
    next: Vec<u32>,
}

/// Where an object is.
#[derive(Clone, Copy)]
enum Place {
    Here(u32),
    Elsewhere(Oid),
}

impl<'p> Deltas<'p> {
    /// `named` is in the order of its ids; `limit` are the bytes that may be made in all.
    pub(super) fn new(
        pack: &'p File,
        entries: &'p mut [Entry],
        named: &'p [(Oid, u32)],
        limit: u64,
    ) -> Self {
        let all = (0..).zip(entries.iter());
        let placed = all.filter(|(_, entry)| matches!(entry.base, Base::At(_)));
        let mut placed: Vec<u32> = placed.map(|(at, _)| at).collect();
        placed.sort_by_key(|at| entries[*at as usize].base);
        let until = Instant::now() + TIME_MAX;
        let inflate = ZlibDecoder::new(BufReader::new(Part { file: pack, at: 0 }));
        Self { pack, entries, placed, named, made: 0, limit, until, kept: 0, inflate }
    }

    /// Gives every object its kind and its id. `known` reads what is not in the pack; returns what of that
    /// was made use of.
    pub(super) fn resolve(
        mut self,
        known: &mut dyn FnMut(Oid) -> Result<Known, FetchError>,
    ) -> Result<Vec<Oid>, FetchError> {
        for at in 0..self.entries.len() {
            let entry = &self.entries[at];
            if entry.base == Base::Nothing {
                let (id, kind) = (entry.id, entry.kind);
                let at = u32::try_from(at).map_err(|_| damaged())?;
                self.descend(Place::Here(at), id, kind, None, known)?;
            }
        }
        let mut elsewhere = Vec::new();
        for (id, at) in self.named {
            if self.entries[*at as usize].kind != Kind::Unknown {
                continue;
            }
            // What nobody has may be made here from what somebody has.
            if let Some((kind, data)) = known(*id)? {
                elsewhere.push(*id);
                self.descend(Place::Elsewhere(*id), *id, Kind::of(kind), Some(data), known)?;
            }
        }
        if self.entries.iter().any(|entry| entry.kind == Kind::Unknown) {
            let reason = "a pack with a difference from an object that nobody has";
            return Err(FetchError::Remote(reason.to_owned()));
        }
        Ok(elsewhere)
    }

    /// Makes all that is made from an object, and from what is made so.
    fn descend(
        &mut self,
        place: Place,
        id: Oid,
        kind: Kind,
        data: Option<Vec<u8>>,
        known: &mut dyn FnMut(Oid) -> Result<Known, FetchError>,
    ) -> Result<(), FetchError> {
        let next = self.made_from(place, id);
        if next.is_empty() {
            return Ok(());
        }
        self.kept = data.as_ref().map_or(0, Vec::len);
        let mut row = vec![Level { place, kind, data, next }];
        while let Some(level) = row.last_mut() {
            let Some(at) = level.next.pop() else {
                self.kept -= level.data.as_ref().map_or(0, Vec::len);
                row.pop();
                continue;
            };
            let base = self.data_of_last(&mut row, known)?;
            let made = self.make(at, kind, &base)?;
            // The last that is made from it is.
            if let Some(level) = row.last_mut().filter(|level| !level.next.is_empty()) {
                self.kept += base.len();
                level.data = Some(base);
            }
            let id = Oid::hash_object(kind.object_type(), &made).map_err(local)?;
            let entry = &mut self.entries[at as usize];
            (entry.id, entry.kind) = (id, kind);
            let place = Place::Here(at);
            let next = self.made_from(place, id);
            if next.is_empty() {
                continue;
            }
            if row.len() >= ROW_MAX {
                let limit = ROW_MAX as u64;
                return Err(FetchError::TooLarge { bound: "objects, made in a row,", limit });
            }
            self.kept += made.len();
            row.push(Level { place, kind, data: Some(made), next });
            self.let_go(&mut row);
        }
        Ok(())
    }

    /// What is made from an object and has not been made.
    fn made_from(&self, place: Place, id: Oid) -> Vec<u32> {
        let named = self.named.partition_point(|(base, _)| *base < id);
        let named = self.named[named..].iter().take_while(|(base, _)| *base == id);
        let mut all: Vec<u32> = named.map(|(_, at)| *at).collect();
        if let Place::Here(place) = place {
            let base = |at: &u32| self.entries[*at as usize].base;
            let placed = self.placed.partition_point(|at| base(at) < Base::At(place));
            let placed = &self.placed[placed..];
            all.extend(placed.iter().take_while(|at| base(at) == Base::At(place)));
        }
        all.retain(|at| self.entries[*at as usize].kind == Kind::Unknown);
        all
    }

    /// Keeps no more than may be kept, but for the last: what is deepest is needed first.
    fn let_go(&mut self, row: &mut [Level]) {
        let Some((_, rest)) = row.split_last_mut() else { return };
        for level in rest {
            if self.kept <= KEPT_BYTES_MAX {
                return;
            }
            self.kept -= level.data.take().map_or(0, |data| data.len());
        }
    }

    /// Takes the data of the last object of a row, which is made again where it is not kept.
    fn data_of_last(
        &mut self,
        row: &mut [Level],
        known: &mut dyn FnMut(Oid) -> Result<Known, FetchError>,
    ) -> Result<Vec<u8>, FetchError> {
        let last = row.len() - 1;
        if let Some(data) = row[last].data.take() {
            self.kept -= data.len();
            return Ok(data);
        }
        let kept = row.iter().rposition(|level| level.data.is_some());
        let mut made = match kept {
            Some(_) => None,
            None => Some(self.first(&row[0], known)?),
        };
        for at in kept.unwrap_or(0) + 1..=last {
            let Place::Here(entry) = row[at].place else { return Err(damaged()) };
            let base = made.as_ref().or(row[at - 1].data.as_ref()).ok_or_else(damaged)?;
            made = Some(self.make(entry, row[at].kind, base)?);
        }
        made.ok_or_else(damaged)
    }

    /// Reads the first object of a row, which is made from nothing.
    fn first(
        &mut self,
        level: &Level,
        known: &mut dyn FnMut(Oid) -> Result<Known, FetchError>,
    ) -> Result<Vec<u8>, FetchError> {
        let at = match level.place {
            Place::Here(at) => at,
            Place::Elsewhere(id) => {
                let data = known(id)?.map(|(_, data)| data).ok_or_else(damaged)?;
                charge(&mut self.made, data.len() as u64, self.limit)?;
                return Ok(data);
            }
        };
        let bytes = self.open(at)?;
        level.kind.hold(bytes)?;
        charge(&mut self.made, bytes, self.limit)?;
        let mut data = buffer(bytes).ok_or_else(damaged)?;
        (&mut self.inflate).take(bytes).read_to_end(&mut data).map_err(|_| damaged())?;
        Ok(data)
    }

    /// Makes an object from its base.
    fn make(&mut self, at: u32, kind: Kind, base: &[u8]) -> Result<Vec<u8>, FetchError> {
        if Instant::now() > self.until {
            return Err(FetchError::Slow { seconds: TIME_MAX.as_secs() });
        }
        self.open(at)?;
        let mut delta = BufReader::new(&mut self.inflate);
        let (from, to) = delta_sizes(&mut delta).map_err(|_| damaged())?;
        if from != base.len() as u64 {
            return Err(damaged());
        }
        kind.hold(to)?;
        charge(&mut self.made, to, self.limit)?;
        apply(base, &mut delta, to).ok_or_else(damaged)
    }

    /// Opens the data of an object, and says how many bytes they are.
    fn open(&mut self, at: u32) -> Result<u64, FetchError> {
        let begins = self.entries[at as usize].begins;
        let mut bytes = [0; OBJECT_HEAD_BYTES_MAX];
        let read = self.pack.read_at(&mut bytes, begins).map_err(|_| damaged())?;
        let head = read_head(&bytes[..read], begins).ok_or_else(damaged)?;
        let at = begins + head.length as u64;
        self.inflate.reset(BufReader::new(Part { file: self.pack, at }));
        Ok(head.bytes)
    }
}

fn charge(made: &mut u64, bytes: u64, limit: u64) -> Result<(), FetchError> {
    *made += bytes;
    if *made > limit { Err(FetchError::TooLarge { bound: MADE, limit }) } else { Ok(()) }
}

/// A file, from a place on.
struct Part<'f> {
    file: &'f File,
    at: u64,
}

impl Read for Part<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.file.read_at(buffer, self.at)?;
        self.at += read as u64;
        Ok(read)
    }
}

/// Room for so many bytes, which are within the bound of an object.
fn buffer(bytes: u64) -> Option<Vec<u8>> {
    usize::try_from(bytes).ok().map(Vec::with_capacity)
}

fn byte(from: &mut impl BufRead) -> io::Result<u8> {
    let mut byte = [0];
    from.read_exact(&mut byte).map(|()| byte[0])
}

/// The sizes of what a difference is made from and of what it makes, with which it begins.
pub(super) fn delta_sizes(delta: &mut impl BufRead) -> io::Result<(u64, u64)> {
    Ok((varint(delta)?, varint(delta)?))
}

fn varint(from: &mut impl BufRead) -> io::Result<u64> {
    let (mut value, mut shift) = (0, 0);
    loop {
        let byte = byte(from)?;
        value |= u64::from(byte & 0x7F).checked_shl(shift).unwrap_or(u64::MAX);
        shift += 7;
        if byte & 0x80 == 0 {
            return Ok(value);
        }
    }
}

/// Makes of a base, by the rest of a difference, what has so many bytes; none: the difference is damaged.
fn apply(base: &[u8], delta: &mut impl BufRead, to: u64) -> Option<Vec<u8>> {
    let mut made = buffer(to)?;
    let room = |made: &Vec<u8>| usize::try_from(to).unwrap_or(usize::MAX) - made.len();
    let mut go_on = || -> io::Result<bool> {
        while room(&made) > 0 {
            let what = byte(delta)?;
            if what & 0x80 == 0 {
                let count = usize::from(what);
                if count == 0 || count > room(&made) {
                    return Ok(false);
                }
                let begin = made.len();
                made.resize(begin + count, 0);
                delta.read_exact(&mut made[begin..])?;
                continue;
            }
            let mut number = |bits: std::ops::Range<u32>| -> io::Result<usize> {
                let mut number = 0;
                for (nth, bit) in bits.enumerate() {
                    if what >> bit & 1 == 1 {
                        number |= usize::from(byte(delta)?) << (8 * nth);
                    }
                }
                Ok(number)
            };
            let (begin, count) = (number(0..4)?, number(4..7)?);
            let count = if count == 0 { 1 << 16 } else { count };
            let Some(part) = base.get(begin..begin + count).filter(|_| count <= room(&made)) else {
                return Ok(false);
            };
            made.extend_from_slice(part);
        }
        Ok(delta.fill_buf()?.is_empty())
    };
    let whole = go_on().unwrap_or(false);
    whole.then_some(made)
}
