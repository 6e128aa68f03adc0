//! Brings objects from one repository on this machine into another: from a folder that a mirror
//! follows, and from a mirror into its successor. libgit2's own way would unpack every object,
//! whatever its size.

use std::collections::HashSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use git2::{Config, ErrorCode, ObjectType, OdbLookupFlags, Oid, PackBuilder, Repository as Git};

use crate::source::error::FetchError;
use crate::source::mirror::local;
use crate::source::objects::{self, COPIED_BYTES_MAX, Unusable, left_out, measure, note_left_out};

/// Most objects of a pack: what is kept of each while it is made takes memory.
const PACK_OBJECTS_MAX: usize = 200_000;
/// Most objects that may wait to be looked at: a commit, or a list of a folder, can name hundreds of
/// thousands of others.
const WAITING_MAX: usize = 1_000_000;
/// How far repositories may borrow from others that borrow.
const ALTERNATES_MAX: usize = 5;

/// The file of a mirror that lists the packs which it had before a copy into it began, as long as that
/// is not done.
const BEFORE: &str = "headstay-packs";

/// Brings what these objects lead to, as far as it is lacking. Those that are not there are passed
/// over. Blobs of more than [`COPIED_BYTES_MAX`], which nobody would read, are noted in their stead. If
/// it does not come to its end, nothing is brought: what is there has all that it leads to.
pub(super) fn copy(from: &Git, into: &Git, wanted: &[Oid]) -> Result<(), FetchError> {
    // One may have begun that ended with the process.
    take_back(into)?;
    // Packs that are taken back are still in an object database that has seen them.
    let into = &Git::open_bare(into.path()).map_err(local)?;
    let folder = packs_folder(into);
    let disk = |source| FetchError::Disk { path: folder.clone(), source };
    let before: Vec<String> = packs(&folder).map_err(disk)?;
    fs::write(into.path().join(BEFORE), before.join("\n")).map_err(disk)?;
    match bring(from, into, wanted) {
        Ok(()) => fs::remove_file(into.path().join(BEFORE)).map_err(disk),
        Err(error) => take_back(into).and(Err(error)),
    }
}

/// Removes what a copy brought that did not come to its end.
fn take_back(mirror: &Git) -> Result<(), FetchError> {
    let note = mirror.path().join(BEFORE);
    let Ok(before) = fs::read_to_string(&note) else { return Ok(()) };
    let before: HashSet<&str> = before.lines().collect();
    let folder = packs_folder(mirror);
    let remove = || -> io::Result<()> {
        for name in packs(&folder)?.iter().filter(|name| !before.contains(name.as_str())) {
            // Without its index, a pack is none.
            for extension in ["idx", "pack"] {
                match fs::remove_file(folder.join(format!("{name}.{extension}"))) {
                    Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                    _ => {}
                }
            }
        }
        fs::remove_file(&note)
    };
    remove().map_err(|source| FetchError::Disk { path: folder.clone(), source })
}

fn packs_folder(mirror: &Git) -> PathBuf {
    mirror.path().join("objects/pack")
}

/// The names of the packs in a folder, without their extension.
fn packs(folder: &Path) -> io::Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(folder)? {
        let name = entry?.file_name();
        names.extend(name.to_str().and_then(|name| name.strip_suffix(".idx")).map(str::to_owned));
    }
    Ok(names)
}

fn bring(from: &Git, into: &Git, wanted: &[Oid]) -> Result<(), FetchError> {
    // It reads from both, and makes packs by the settings of our own mirror.
    let both = Git::open_bare(into.path()).map_err(local)?;
    both.config().and_then(settle).map_err(local)?;
    for folder in object_folders(&from.commondir().join("objects"), 0) {
        let odb = both.odb().map_err(local)?;
        odb.add_disk_alternate(&folder.to_string_lossy()).map_err(local)?;
    }
    let mut copy = Copy { from, into, both: &both, seen: HashSet::new(), pack: None };
    let mut next = Waiting::default();
    for id in wanted {
        next.push(*id)?;
    }
    while let Some(id) = next.pop() {
        if !copy.lacks(id)? {
            continue;
        }
        match copy.measure(id)? {
            None if wanted.contains(&id) => {}
            None => return Err(FetchError::Remote(format!("its object {id} is missing"))),
            Some(ObjectType::Tag) => {
                next.push(objects::tagged(&both, id).map_err(unusable)?)?;
                copy.add(id, None)?;
            }
            Some(ObjectType::Commit) => {
                let commit = objects::commit(&both, id).map_err(unusable)?;
                for parent in commit.parent_ids() {
                    next.push(parent)?;
                }
                copy.add(id, None)?;
                copy.tree(commit.tree_id())?;
            }
            Some(ObjectType::Tree) => copy.tree(id)?,
            Some(_) => copy.blob(id, "")?,
        }
    }
    copy.write()
}

/// Bounds the memory that libgit2 takes to make packs; the second of these also says from which
/// size on it looks for no differences.
fn settle(mut settings: Config) -> Result<(), git2::Error> {
    settings.set_i64("pack.windowMemory", 16 << 20)?;
    settings.set_i64("pack.deltaCacheSize", 1 << 20)
}

/// A folder of objects, and those that it borrows from.
fn object_folders(folder: &Path, depth: usize) -> Vec<PathBuf> {
    let mut folders = vec![folder.to_owned()];
    let alternates = fs::read_to_string(folder.join("info/alternates")).unwrap_or_default();
    if depth < ALTERNATES_MAX {
        for line in alternates.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
            folders.extend(object_folders(&folder.join(line), depth + 1));
        }
    }
    folders
}

/// Objects that wait to be looked at, each once at a time.
#[derive(Default)]
struct Waiting {
    ids: Vec<Oid>,
    known: HashSet<Oid>,
}

impl Waiting {
    fn push(&mut self, id: Oid) -> Result<(), FetchError> {
        if self.known.insert(id) {
            self.ids.push(id);
        }
        if self.ids.len() > WAITING_MAX {
            let limit = WAITING_MAX as u64;
            return Err(FetchError::TooLarge { bound: "objects, named by few others,", limit });
        }
        Ok(())
    }

    fn pop(&mut self) -> Option<Oid> {
        let id = self.ids.pop()?;
        self.known.remove(&id);
        Some(id)
    }
}

struct Copy<'g> {
    from: &'g Git,
    into: &'g Git,
    both: &'g Git,
    /// What was added to the pack, or left out.
    seen: HashSet<Oid>,
    pack: Option<PackBuilder<'g>>,
}

impl Copy<'_> {
    /// Whether an object has yet to be brought. One that is there has all that it leads to.
    fn lacks(&mut self, id: Oid) -> Result<bool, FetchError> {
        if self.seen.contains(&id) {
            return Ok(false);
        }
        let odb = self.into.odb().map_err(local)?;
        Ok(!odb.exists_ext(id, OdbLookupFlags::NO_REFRESH))
    }

    /// The kind of an object that is not too large; none if it is missing.
    fn measure(&self, id: Oid) -> Result<Option<ObjectType>, FetchError> {
        match measure(self.both, id) {
            Ok((kind, _)) => Ok(Some(kind)),
            Err(Unusable::Mirror(error)) if error.code() == ErrorCode::NotFound => Ok(None),
            Err(error) => Err(unusable(error)),
        }
    }

    fn tree(&mut self, root: Oid) -> Result<(), FetchError> {
        let mut next = Waiting::default();
        next.push(root)?;
        while let Some(id) = next.pop() {
            if !self.lacks(id)? {
                continue;
            }
            if self.measure(id)?.is_none() {
                return Err(FetchError::Remote(format!("its tree {id} is missing")));
            }
            let tree = objects::tree(self.both, id).map_err(unusable)?;
            for entry in &tree {
                match entry.kind() {
                    Some(ObjectType::Tree) => next.push(entry.id())?,
                    Some(ObjectType::Blob) => {
                        self.blob(entry.id(), &String::from_utf8_lossy(entry.name_bytes()))?;
                    }
                    _ => {}
                }
            }
            self.add(id, None)?;
        }
        Ok(())
    }

    fn blob(&mut self, id: Oid, name: &str) -> Result<(), FetchError> {
        if !self.lacks(id)? {
            return Ok(());
        }
        let read = self.both.odb().and_then(|odb| odb.read_header(id)).map(|(bytes, _)| bytes);
        let bytes = match read {
            Ok(bytes) => bytes,
            Err(error) => left_out(self.from, id).ok_or_else(|| remote(error))?,
        };
        if bytes <= COPIED_BYTES_MAX {
            return self.add(id, Some(name));
        }
        self.seen.insert(id);
        note_left_out(self.into, id, bytes)
    }

    fn add(&mut self, id: Oid, name: Option<&str>) -> Result<(), FetchError> {
        self.seen.insert(id);
        if self.pack.is_none() {
            self.pack = Some(self.both.packbuilder().map_err(local)?);
        }
        let Some(pack) = &mut self.pack else { return Ok(()) };
        pack.insert_object(id, name).map_err(remote)?;
        if pack.object_count() < PACK_OBJECTS_MAX {
            return Ok(());
        }
        self.write()
    }

    /// Writes the pack, and begins another.
    fn write(&mut self) -> Result<(), FetchError> {
        let Some(mut pack) = self.pack.take() else { return Ok(()) };
        pack.write(&self.into.path().join("objects/pack"), 0).map_err(local)?;
        self.seen.clear();
        self.into.odb().and_then(|odb| odb.refresh()).map_err(local)
    }
}

/// What is wrong with an object of the folder that is read.
fn unusable(error: Unusable) -> FetchError {
    match error {
        Unusable::TooLarge(object) => FetchError::Object(object.to_string()),
        Unusable::Malformed(object) => FetchError::Object(object.to_string()),
        Unusable::Other => {
            FetchError::Object("an object is of another kind than it is named".to_owned())
        }
        Unusable::Mirror(error) => remote(error),
    }
}

/// An error of libgit2 that is the fault of the folder that is read.
#[expect(clippy::needless_pass_by_value, reason = "for `map_err`")]
fn remote(error: git2::Error) -> FetchError {
    FetchError::Remote(error.message().to_owned())
}
