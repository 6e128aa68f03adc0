//! What may still become of a verdict.

use jiff::Timestamp;

/// Whether waiting may change a verdict.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Prospect {
    /// It may change with the object.
    #[default]
    Open,
    /// It stays for as long as the object does: who waits for it to get well waits in vain. Only of
    /// what ran once and has failed (a Job, a Pod). What a controller goes on trying is open, even
    /// beyond its own deadline: the next commit may bring what it lacks.
    Final,
    /// It is good until then, unless the object changes: somebody is expected to say something, and
    /// is given up then ([`Health::at`](super::Health::at)).
    Until(Timestamp),
}
