//! The account of one render: whatever Git makes Headstay take, memory and time, is charged to it
//! before it is taken. All files, documents and objects of a render share one, and so do the room
//! that reads Git and the room that reads YAML.

use std::any::Any;
use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};

/// The memory of a [small](Limits::small) render, in bytes: some hundred objects have room in it.
const SMALL_MEMORY: usize = 4 << 20;

/// What one render may take. The largest applications that are known have a tenth of it.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Most steps: through trees, along symlinks, over documents.
    pub steps: usize,
    /// Most bytes of Git's objects that are unpacked, also those that are unpacked again.
    pub unpacked: usize,
    /// Most entries of folders, of any kind, that are looked at.
    pub entries: usize,
    /// Most bytes of the paths that are listed.
    pub paths: usize,
    /// Largest folder, in bytes as Git writes it.
    pub folder_bytes: usize,
    /// Deepest nesting of folders below the path.
    pub folders: usize,
    /// Most manifests.
    pub files: usize,
    /// Largest manifest, in bytes.
    pub file_bytes: usize,
    /// Most bytes of all manifests.
    pub bytes: usize,
    /// Most values, aliases expanded.
    pub values: usize,
    /// Deepest nesting of values.
    pub depth: usize,
    /// Most bytes of memory for all files and values.
    pub memory: usize,
    /// Most objects.
    pub objects: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            steps: 300_000,
            unpacked: 512 << 20,
            entries: 200_000,
            paths: 8 << 20,
            folder_bytes: 16 << 20,
            folders: 50,
            files: 10_000,
            file_bytes: 16 << 20,
            bytes: 32 << 20,
            values: 1_000_000,
            depth: 100,
            memory: 64 << 20,
            objects: 50_000,
        }
    }
}

impl Limits {
    /// What a render may take beside others: nearly all need no more.
    pub fn small() -> Self {
        Self { memory: SMALL_MEMORY, ..Self::default() }
    }
}

/// One of the [`Limits`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bound {
    /// [`Limits::steps`].
    Steps,
    /// [`Limits::unpacked`].
    Unpacked,
    /// [`Limits::entries`].
    Entries,
    /// [`Limits::paths`].
    Paths,
    /// [`Limits::folder_bytes`].
    FolderBytes,
    /// [`Limits::folders`].
    Folders,
    /// [`Limits::files`].
    Files,
    /// [`Limits::file_bytes`].
    FileBytes,
    /// [`Limits::bytes`].
    Bytes,
    /// [`Limits::values`].
    Values,
    /// [`Limits::depth`].
    Depth,
    /// [`Limits::memory`].
    Memory,
    /// [`Limits::objects`].
    Objects,
}

/// The bounds on sums: what is charged adds up.
const SUMS: usize = Bound::Objects as usize + 1;

impl Limits {
    fn of(&self, bound: Bound) -> usize {
        match bound {
            Bound::Steps => self.steps,
            Bound::Unpacked => self.unpacked,
            Bound::Entries => self.entries,
            Bound::Paths => self.paths,
            Bound::FolderBytes => self.folder_bytes,
            Bound::Folders => self.folders,
            Bound::Files => self.files,
            Bound::FileBytes => self.file_bytes,
            Bound::Bytes => self.bytes,
            Bound::Values => self.values,
            Bound::Depth => self.depth,
            Bound::Memory => self.memory,
            Bound::Objects => self.objects,
        }
    }
}

impl fmt::Display for Bound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Steps => "steps through folders, symlinks and documents",
            Self::Unpacked => "bytes of Git's objects unpacked",
            Self::Entries => "entries of folders",
            Self::Paths => "bytes of paths",
            Self::FolderBytes => "bytes in the list of one folder",
            Self::Folders => "folders deep",
            Self::Files => "manifests",
            Self::FileBytes => "bytes in one file",
            Self::Bytes => "bytes in all files",
            Self::Values => "values, aliases expanded",
            Self::Depth => "levels deep",
            Self::Memory => "bytes of memory for all files and values",
            Self::Objects => "objects",
        })
    }
}

impl Bound {
    /// What to do about too much of it.
    fn cure(self) -> &'static str {
        match self {
            Self::FolderBytes | Self::Folders | Self::Depth => "",
            Self::FileBytes => "; split the file",
            _ => "; split the application",
        }
    }
}

/// Why nothing more is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// A bound is reached.
    #[error("more than {limit} {bound}{}", bound.cure())]
    Beyond {
        /// The bound.
        bound: Bound,
        /// Its value.
        limit: usize,
    },
    /// Nobody waits for the render any longer.
    #[error("nobody waits for it any longer")]
    Abandoned,
}

/// What a render has taken so far.
#[derive(Debug, Default)]
pub struct Account {
    limits: Limits,
    taken: [AtomicUsize; SUMS],
    /// The bound that was reached first.
    reached: OnceLock<Bound>,
    abandoned: AtomicBool,
    /// The turn to take so much, which ends with the last who takes.
    _turn: Option<Turn>,
}

/// Something that ends when it is dropped.
pub type Turn = Box<dyn Any + Send + Sync>;

impl Account {
    /// An account from which nothing is taken yet.
    pub fn new(limits: Limits) -> Self {
        Self { limits, ..Self::default() }
    }

    /// Takes so much more of what adds up. To be asked before it is taken.
    pub fn charge(&self, bound: Bound, amount: usize) -> Result<(), Refusal> {
        let taken = &self.taken[bound as usize];
        let sum = taken.load(Ordering::Relaxed).saturating_add(amount);
        self.hold(bound, sum)?;
        taken.store(sum, Ordering::Relaxed);
        Ok(())
    }

    /// Whether there can be so much at once of what does not add up.
    pub fn hold(&self, bound: Bound, amount: usize) -> Result<(), Refusal> {
        if self.abandoned.load(Ordering::Relaxed) {
            return Err(Refusal::Abandoned);
        }
        let limit = self.limits.of(bound);
        if amount > limit {
            self.reached.get_or_init(|| bound);
            return Err(Refusal::Beyond { bound, limit });
        }
        Ok(())
    }

    /// Gives back what is no longer there.
    pub fn give_back(&self, bound: Bound, amount: usize) {
        let taken = &self.taken[bound as usize];
        taken.store(taken.load(Ordering::Relaxed).saturating_sub(amount), Ordering::Relaxed);
    }

    /// How much of it was taken.
    pub fn taken(&self, bound: Bound) -> usize {
        self.taken[bound as usize].load(Ordering::Relaxed)
    }

    /// Gives nothing more, whoever still asks.
    pub fn abandon(&self) {
        self.abandoned.store(true, Ordering::Relaxed);
    }

    /// Whether something was refused, so that going on is of no use.
    pub fn is_closed(&self) -> bool {
        self.reached.get().is_some() || self.abandoned.load(Ordering::Relaxed)
    }

    /// The bound that was reached, if one was.
    pub fn reached(&self) -> Option<Bound> {
        self.reached.get().copied()
    }
}

/// Somebody who waits for a render. When they go, its account gives nothing more.
#[derive(Debug)]
pub struct Waiter {
    account: Arc<Account>,
}

impl Waiter {
    /// Somebody who waits for a render that may take this.
    pub fn new(limits: Limits) -> Self {
        Self { account: Arc::new(Account::new(limits)) }
    }

    /// The same in a turn, which lasts until nothing is taken any longer, whoever has gone.
    pub fn in_turn(limits: Limits, turn: Turn) -> Self {
        let account = Account { _turn: Some(turn), ..Account::new(limits) };
        Self { account: Arc::new(account) }
    }

    /// The account of the render.
    pub fn account(&self) -> &Arc<Account> {
        &self.account
    }
}

impl Drop for Waiter {
    fn drop(&mut self) {
        self.account.abandon();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_adds_up_is_refused_before_it_is_taken() {
        let account = Account::new(Limits { values: 3, ..Limits::default() });
        assert_eq!(account.charge(Bound::Values, 2), Ok(()));
        assert_eq!(account.charge(Bound::Values, 1), Ok(()));
        assert!(!account.is_closed());
        let beyond = Refusal::Beyond { bound: Bound::Values, limit: 3 };
        for amount in [1, usize::MAX] {
            assert_eq!(account.charge(Bound::Values, amount), Err(beyond));
        }
        assert_eq!(account.taken(Bound::Values), 3);
        assert!(account.is_closed());
        assert_eq!(
            beyond.to_string(),
            "more than 3 values, aliases expanded; split the application"
        );
    }

    #[test]
    fn what_does_not_add_up_is_held_to_its_bound_each_time() {
        let account = Account::new(Limits { depth: 3, ..Limits::default() });
        assert_eq!(account.hold(Bound::Depth, 3), Ok(()));
        assert_eq!(account.hold(Bound::Depth, 3), Ok(()));
        assert!(account.hold(Bound::Depth, 4).is_err());
    }

    #[test]
    fn nothing_is_given_when_nobody_waits() {
        let waiter = Waiter::new(Limits::default());
        let account = waiter.account().clone();
        assert_eq!(account.charge(Bound::Steps, 1), Ok(()));
        drop(waiter);
        assert_eq!(account.charge(Bound::Steps, 1), Err(Refusal::Abandoned));
        assert!(account.is_closed());
    }
}
