//! Takes in a pack of objects as a server sends it, in the place of libgit2, which makes whatever a pack
//! tells it to make: a difference of some bytes may stand for an object of gigabytes. Each object is
//! measured by what it says of itself before anyone unpacks it; when all have come, `source::deltas` makes those
//! that came as differences, and `source::index` puts the pack in its place.
//!
//! The format is that of `gitformat-pack(5)`.

use std::fs::{self, File};
use std::io::{self, BufWriter, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use flate2::write::ZlibEncoder;
use flate2::{Compression, Crc, Decompress, FlushDecompress, Status};
use git2::{ObjectType, Oid, Repository as Git};
use sha1::{Digest, Sha1};

use crate::source::deltas::{Deltas, delta_sizes};
use crate::source::error::FetchError;
use crate::source::index::{self, Summed};
use crate::source::mirror::local;
use crate::source::objects::{self, BLOB_BYTES_MAX, Unusable};
use crate::source::packed::{
    Base, Entry, Head, HeadBase, Kind, OBJECT_HEAD_BYTES_MAX, TOLD, damaged, fits, read_head,
    write_head,
};

/// Most bytes of a pack.
const BYTES_MAX: u64 = 8 << 30;
/// Most objects of a pack. Some 50 bytes are kept of each until it is in its place.
const OBJECTS_MAX: u64 = 2_000_000;
/// Most bytes that differences may make in all, and how many more for each byte that has come. Of honest
/// histories a large file comes closest of which each change is small: one of 5 MB that a thousand commits
/// change makes 5 GB, and comes as 1 MB.
const MADE_BYTES_MAX: u64 = 4 << 30;
const MADE_RATIO_MAX: u64 = 10_000;
/// Most bytes of all objects of a pack, unpacked.
const UNPACKED_BYTES_MAX: u64 = 64 << 30;
/// Bytes of a pack before its first object, and of the SHA-1 of all of it after its last.
const HEAD_BYTES: usize = 12;
const TRAILER_BYTES: usize = 20;
/// Bytes of a difference that are enough to tell the sizes of what it is made from and makes.
const DELTA_HEAD_BYTES: usize = 20;
/// The name of a pack in the folder of packs, until it is in its place. What a process that died left there
/// is written over.
const INCOMING: &str = "headstay-incoming";

/// A pack, as far as it has come.
pub(super) struct Pack {
    mirror: PathBuf,
    file: Option<BufWriter<File>>,
    hash: Sha1,
    /// Bytes of the pack before those that are looked at.
    offset: u64,
    /// Objects that have yet to come.
    left: u64,
    unpacked: u64,
    /// What differences make.
    made: u64,
    entries: Vec<Entry>,
    /// Bases that are told by their ids, and what is made from them.
    named: Vec<(Oid, u32)>,
    inflate: Decompress,
    state: State,
}

enum State {
    /// The head of the pack, as far as it has come.
    Begin(Vec<u8>),
    /// The head of an object, as far as it has come.
    Head(Vec<u8>),
    Data(Box<Data>),
    /// The SHA-1 of the pack, as far as it has come.
    Trailer(Vec<u8>),
    /// All of it has come.
    Over,
}

/// The data of an object, as far as it has come.
struct Data {
    crc: Crc,
    /// How many bytes it says that it has.
    bytes: u64,
    content: Content,
}

enum Content {
    /// An object as it is.
    Whole(Sha1),
    /// The first bytes of a difference, until they have told what it makes.
    Delta(Option<Vec<u8>>),
}

impl Pack {
    /// A pack for a mirror, of which nothing has come.
    pub(super) fn new(mirror: &Path) -> Self {
        Self {
            mirror: mirror.to_owned(),
            file: None,
            hash: Sha1::new(),
            offset: 0,
            left: 0,
            unpacked: 0,
            made: 0,
            entries: Vec::new(),
            named: Vec::new(),
            inflate: Decompress::new(true),
            state: State::Begin(Vec::new()),
        }
    }

    /// Whether all of it has come.
    pub(super) fn is_over(&self) -> bool {
        matches!(self.state, State::Over)
    }

    /// Takes in what comes next.
    pub(super) fn take(&mut self, mut bytes: &[u8]) -> Result<(), FetchError> {
        if self.offset + bytes.len() as u64 > BYTES_MAX {
            return Err(FetchError::TooLarge { bound: "bytes", limit: BYTES_MAX });
        }
        self.write(bytes)?;
        while !bytes.is_empty() {
            let used = match std::mem::replace(&mut self.state, State::Over) {
                State::Over => return Err(damaged()),
                State::Begin(head) => self.begin(head, bytes)?,
                State::Head(head) => self.head(head, bytes)?,
                State::Data(data) => self.data(data, bytes)?,
                State::Trailer(sum) => self.trailer(sum, bytes)?,
            };
            self.offset += used as u64;
            bytes = &bytes[used..];
        }
        Ok(())
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), FetchError> {
        let path = self.folder().join(INCOMING);
        let mut write = || -> io::Result<()> {
            let file = if let Some(file) = self.file.take() {
                file
            } else {
                let mut options = File::options();
                let options = options.create(true).truncate(true).read(true).write(true);
                BufWriter::new(options.open(&path)?)
            };
            self.file.insert(file).write_all(bytes)
        };
        write().map_err(|source| FetchError::Disk { path: path.clone(), source })
    }

    fn folder(&self) -> PathBuf {
        self.mirror.join("objects/pack")
    }

    fn begin(&mut self, mut head: Vec<u8>, bytes: &[u8]) -> Result<usize, FetchError> {
        let taken = bytes.len().min(HEAD_BYTES - head.len());
        head.extend_from_slice(&bytes[..taken]);
        self.hash.update(&bytes[..taken]);
        if head.len() < HEAD_BYTES {
            self.state = State::Begin(head);
            return Ok(taken);
        }
        if head[..8] != *b"PACK\0\0\0\x02" {
            return Err(damaged());
        }
        self.left = u64::from(u32::from_be_bytes([head[8], head[9], head[10], head[11]]));
        if self.left > OBJECTS_MAX {
            return Err(FetchError::TooLarge { bound: "objects", limit: OBJECTS_MAX });
        }
        self.next();
        Ok(taken)
    }

    /// Goes on to the next object.
    fn next(&mut self) {
        self.state =
            if self.left == 0 { State::Trailer(Vec::new()) } else { State::Head(Vec::new()) };
    }

    /// Goes on with a head; how many bytes it took.
    fn head(&mut self, mut head: Vec<u8>, bytes: &[u8]) -> Result<usize, FetchError> {
        let begins = self.offset - head.len() as u64;
        for (taken, byte) in (1..).zip(bytes) {
            head.push(*byte);
            if let Some(read) = read_head(&head, begins) {
                self.hash.update(&bytes[..taken]);
                let content = self.enter(&read, begins)?;
                let mut crc = Crc::new();
                crc.update(&head);
                self.inflate.reset(true);
                let data = Data { crc, bytes: read.bytes, content };
                self.state = State::Data(Box::new(data));
                return Ok(taken);
            }
            if head.len() >= OBJECT_HEAD_BYTES_MAX {
                return Err(damaged());
            }
        }
        self.hash.update(bytes);
        self.state = State::Head(head);
        Ok(bytes.len())
    }

    /// Enters an object of this head, if it is within its bounds.
    fn enter(&mut self, head: &Head, begins: u64) -> Result<Content, FetchError> {
        let kind = Kind::read(head.number).ok_or_else(damaged)?;
        let at = u32::try_from(self.entries.len()).map_err(|_| damaged())?;
        let base = match head.base {
            HeadBase::Nothing => Base::Nothing,
            HeadBase::At(place) => {
                let found = self.entries.binary_search_by_key(&place, |entry| entry.begins);
                Base::At(found.ok().and_then(|at| u32::try_from(at).ok()).ok_or_else(damaged)?)
            }
            HeadBase::Named(id) => {
                self.named.push((id, at));
                Base::Named
            }
        };
        let content = match kind {
            Kind::Unknown => {
                fits("difference", head.bytes, BLOB_BYTES_MAX)?;
                Content::Delta(Some(Vec::new()))
            }
            kind => {
                // A blob goes to the disk as it comes.
                if kind != Kind::Blob {
                    kind.hold(head.bytes)?;
                }
                Content::Whole(kind.hash(head.bytes))
            }
        };
        self.entries.push(Entry { begins, crc: 0, base, kind, id: Oid::ZERO_SHA1 });
        Ok(content)
    }

    /// Goes on with data; how many bytes it took.
    fn data(&mut self, mut data: Box<Data>, bytes: &[u8]) -> Result<usize, FetchError> {
        let mut buffer = [0; 16 << 10];
        let mut used = 0;
        loop {
            let (read, written) = (self.inflate.total_in(), self.inflate.total_out());
            let status =
                self.inflate.decompress(&bytes[used..], &mut buffer, FlushDecompress::None);
            let status = status.map_err(|_| damaged())?;
            let counted = |total: u64, before: u64| usize::try_from(total - before).unwrap_or(0);
            used += counted(self.inflate.total_in(), read);
            let inflated = counted(self.inflate.total_out(), written);
            self.unpacked += inflated as u64;
            if self.inflate.total_out() > data.bytes {
                return Err(damaged());
            }
            if self.unpacked > UNPACKED_BYTES_MAX {
                let limit = UNPACKED_BYTES_MAX;
                return Err(FetchError::TooLarge { bound: "bytes, unpacked", limit });
            }
            match &mut data.content {
                Content::Whole(hash) => hash.update(&buffer[..inflated]),
                Content::Delta(head) => self.look_at_delta(head, &buffer[..inflated])?,
            }
            if status == Status::StreamEnd {
                data.crc.update(&bytes[..used]);
                self.hash.update(&bytes[..used]);
                self.leave(*data)?;
                return Ok(used);
            }
            if used == bytes.len() && inflated < buffer.len() {
                data.crc.update(bytes);
                self.hash.update(bytes);
                self.state = State::Data(data);
                return Ok(used);
            }
        }
    }

    /// Looks at what a difference says that it makes.
    fn look_at_delta(
        &mut self,
        head: &mut Option<Vec<u8>>,
        inflated: &[u8],
    ) -> Result<(), FetchError> {
        let Some(begun) = head else { return Ok(()) };
        let lacking = DELTA_HEAD_BYTES - begun.len();
        begun.extend_from_slice(&inflated[..inflated.len().min(lacking)]);
        let Ok((from, to)) = delta_sizes(&mut begun.as_slice()) else { return Ok(()) };
        *head = None;
        fits(TOLD, from.max(to), BLOB_BYTES_MAX)?;
        self.made += to;
        let limit = made_max(self.offset);
        if self.made > limit {
            return Err(FetchError::TooLarge { bound: MADE, limit });
        }
        Ok(())
    }

    /// All data of an object have come.
    fn leave(&mut self, data: Data) -> Result<(), FetchError> {
        let entry = self.entries.last_mut().ok_or_else(damaged)?;
        entry.crc = data.crc.sum();
        match data.content {
            _ if self.inflate.total_out() != data.bytes => return Err(damaged()),
            // It never said what it makes.
            Content::Delta(Some(_)) => return Err(damaged()),
            Content::Delta(None) => {}
            Content::Whole(hash) => entry.id = oid(hash)?,
        }
        self.left -= 1;
        self.next();
        Ok(())
    }

    fn trailer(&mut self, mut sum: Vec<u8>, bytes: &[u8]) -> Result<usize, FetchError> {
        let taken = bytes.len().min(TRAILER_BYTES - sum.len());
        sum.extend_from_slice(&bytes[..taken]);
        if sum.len() == TRAILER_BYTES {
            if self.hash.clone().finalize()[..] != sum {
                return Err(damaged());
            }
            self.state = State::Over;
        } else {
            self.state = State::Trailer(sum);
        }
        Ok(taken)
    }

    /// Puts a pack that has come in full into its place.
    pub(super) fn finish(self) -> Result<(), FetchError> {
        let limit = made_max(self.offset);
        self.finish_within(limit)
    }

    /// The same, if no more bytes are made of its differences than that.
    fn finish_within(self, limit: u64) -> Result<(), FetchError> {
        let (incoming, folder) = (self.folder().join(INCOMING), self.folder());
        let disk = |source| FetchError::Disk { path: incoming.clone(), source };
        let Self { mirror, file, hash, mut entries, mut named, state, .. } = self;
        let Some(file) = file.filter(|_| matches!(state, State::Over)) else {
            return Err(damaged());
        };
        let file = file.into_inner().map_err(|error| disk(error.into_error()))?;
        named.sort_unstable();
        let mut known = Known { mirror, git: None };
        let deltas = Deltas::new(&file, &mut entries, &named, limit);
        let elsewhere = deltas.resolve(&mut |id| known.read(id))?;
        drop(named);

        let mut sum = oid(hash)?;
        let mut order = index::order(&entries)?;
        let lacking: Vec<_> = elsewhere
            .into_iter()
            .filter(|id| order.binary_search_by_key(id, |at| entries[*at as usize].id).is_err())
            .collect();
        if !lacking.is_empty() {
            for id in lacking {
                let Some((kind, data)) = known.read(id)? else { return Err(damaged()) };
                let entry = append(&file, Kind::of(kind), id, &data).map_err(disk)?;
                entries.push(entry);
            }
            sum = close(&file, entries.len()).map_err(disk)?;
            order = index::order(&entries)?;
        }
        index::write(&folder, &entries, &order, sum)?;
        let place = folder.join(format!("pack-{sum}"));
        fs::rename(&incoming, place.with_extension("pack")).map_err(disk)?;
        index::put(&folder, &place.with_extension("idx"))
    }
}

/// Makes objects of a mirror ready to make others from.
struct Known {
    mirror: PathBuf,
    git: Option<Git>,
}

impl Known {
    /// An object of the mirror, if it has it.
    fn read(&mut self, id: Oid) -> Result<Option<(ObjectType, Vec<u8>)>, FetchError> {
        let git = match self.git.take() {
            Some(git) => git,
            None => Git::open_bare(&self.mirror).map_err(local)?,
        };
        let git = self.git.insert(git);
        let (kind, bytes) = match objects::measure(git, id) {
            Ok(found) => found,
            Err(Unusable::Mirror(error)) if error.code() == git2::ErrorCode::NotFound => {
                return Ok(None);
            }
            Err(Unusable::TooLarge(object)) => {
                return Err(FetchError::Object(object.to_string()));
            }
            Err(Unusable::Mirror(error)) => return Err(local(error)),
            Err(Unusable::Other | Unusable::Malformed(_)) => return Ok(None),
        };
        Kind::of(kind).hold(bytes as u64)?;
        let object = git.odb().and_then(|odb| odb.read(id).map(|read| read.data().to_vec()));
        object.map(|data| Some((kind, data))).map_err(local)
    }
}

/// Adds an object to the end of a pack, in the place of its sum.
fn append(mut pack: &File, kind: Kind, id: Oid, data: &[u8]) -> io::Result<Entry> {
    let end = end_of_objects(pack)?;
    pack.seek(SeekFrom::Start(end))?;
    let mut bytes = write_head(kind.number(), data.len() as u64);
    let mut encoder = ZlibEncoder::new(&mut bytes, Compression::fast());
    encoder.write_all(data)?;
    encoder.finish()?;
    let mut crc = Crc::new();
    crc.update(&bytes);
    pack.write_all(&bytes)?;
    pack.write_all(&[0; TRAILER_BYTES])?;
    Ok(Entry { begins: end, crc: crc.sum(), base: Base::Nothing, kind, id })
}

/// Where the sum of a pack begins.
fn end_of_objects(mut pack: &File) -> io::Result<u64> {
    let end = pack.seek(SeekFrom::End(0))?;
    end.checked_sub(TRAILER_BYTES as u64).ok_or_else(|| io::ErrorKind::UnexpectedEof.into())
}

/// Writes the number of objects of a pack to which some were added, and its new sum.
fn close(mut pack: &File, objects: usize) -> io::Result<Oid> {
    let number = u32::try_from(objects).map_err(io::Error::other)?;
    pack.write_all_at(&number.to_be_bytes(), 8)?;
    let end = end_of_objects(pack)?;
    pack.rewind()?;
    let mut summed = Summed::new(io::sink());
    io::copy(&mut pack.take(end), &mut summed)?;
    let sum = Oid::from_bytes(&summed.sum()).map_err(io::Error::other)?;
    pack.write_all_at(sum.as_bytes(), end)?;
    Ok(sum)
}

/// How much may be made of a pack of so many bytes.
fn made_max(bytes: u64) -> u64 {
    MADE_BYTES_MAX + MADE_RATIO_MAX * bytes
}

/// The bound on what differences make, with its unit.
pub(super) const MADE: &str = "bytes, made of differences,";

fn oid(hash: Sha1) -> Result<Oid, FetchError> {
    Oid::from_bytes(&hash.finalize()).map_err(local)
}

#[cfg(test)]
#[path = "pack_tests.rs"]
#[expect(clippy::cast_possible_truncation, reason = "small numbers")]
pub(super) mod tests;
