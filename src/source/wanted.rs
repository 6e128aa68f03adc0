//! Which refs a fetch brings, out of those that the server lists: plain decisions on plain data.

use std::collections::BTreeSet;

use git2::Oid;

use crate::domain::commit::Revision;
use crate::source::refs::{HEADS, PINS, Refs, TAGS};

/// Above this number of moved refs, all of their kind are asked for in one refspec: libgit2
/// compares every refspec with every ref.
const SINGLE_SPECS_MAX: usize = 50;

/// What a fetch does to the refs of the mirror.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Plan {
    /// Refs that are new or have moved.
    pub(super) update: Refs,
    /// Refs that the server no longer has.
    pub(super) remove: BTreeSet<String>,
    /// Commits to ask for by their id.
    pub(super) commits: BTreeSet<Oid>,
}

/// Plans a fetch: `remote` is what the server lists, `local` what the mirror has. Commits that the
/// mirror lacks (`has`) are asked for by id or, where the server refuses that (`by_id` is false),
/// looked for in all branches and tags.
pub(super) fn plan(
    revisions: &[Revision],
    remote: &Refs,
    local: &Refs,
    by_id: bool,
    has: impl Fn(Oid) -> bool,
) -> Plan {
    let mut plan = Plan {
        remove: local.keys().filter(|name| !remote.contains_key(*name)).cloned().collect(),
        ..Plan::default()
    };
    let mut want = |wanted: &dyn Fn(&String) -> bool| {
        let moved = remote.iter().filter(|(name, id)| wanted(name) && local.get(*name) != Some(id));
        plan.update.extend(moved.map(|(name, id)| (name.clone(), *id)));
    };
    for revision in revisions {
        match revision {
            Revision::Commit(id) => match Oid::from_str(id.as_str()) {
                Ok(id) if has(id) => {}
                Ok(id) if by_id => drop(plan.commits.insert(id)),
                _ => want(&|_| true),
            },
            every if *every == Revision::every() => want(&|_| true),
            Revision::Semver(_) => want(&|name| name.starts_with(TAGS)),
            other => {
                let names = candidates(other);
                want(&|name| names.contains(name));
            }
        }
    }
    plan
}

/// The refs that a name may mean, the one that counts first.
pub(super) fn candidates(revision: &Revision) -> Vec<String> {
    match revision {
        Revision::Named(name) => vec![format!("{HEADS}{name}"), format!("{TAGS}{name}")],
        Revision::Branch(name) => vec![format!("{HEADS}{name}")],
        Revision::Tag(name) => vec![format!("{TAGS}{name}")],
        Revision::Commit(_) | Revision::Semver(_) => Vec::new(),
    }
}

impl Plan {
    /// What is to be brought, by name; commits by that of their pins.
    pub(super) fn names(&self) -> Refs {
        let commits = self.commits.iter().map(|id| (format!("{PINS}{id}"), *id));
        self.update.clone().into_iter().chain(commits).collect()
    }

    /// Leaves out of what is to be brought what is not to be kept.
    pub(super) fn retain(&mut self, keep: impl Fn(&str, Oid) -> bool) {
        self.update.retain(|name, id| keep(name, *id));
        self.commits.retain(|id| keep(&format!("{PINS}{id}"), *id));
    }

    /// The objects that are wanted.
    pub(super) fn ids(&self) -> Vec<Oid> {
        self.update.values().chain(&self.commits).copied().collect()
    }

    /// What to ask the server for, in the form of refspecs.
    pub(super) fn refspecs(&self) -> Vec<String> {
        let mut specs: Vec<_> = self.commits.iter().map(|id| format!("{id}:{PINS}{id}")).collect();
        for kind in [HEADS, TAGS] {
            let names: Vec<_> = self.update.keys().filter(|name| name.starts_with(kind)).collect();
            if names.len() > SINGLE_SPECS_MAX {
                specs.push(format!("+{kind}*:{kind}*"));
            } else {
                specs.extend(names.iter().map(|name| format!("+{name}:{name}")));
            }
        }
        specs
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ABSENT: &str = "9999999999999999999999999999999999999999";

    fn id(digit: u8) -> Oid {
        Oid::from_bytes(&[digit; 20]).unwrap()
    }

    fn refs(list: &[(&str, u8)]) -> Refs {
        list.iter().map(|(name, digit)| (format!("refs/{name}"), id(*digit))).collect()
    }

    fn planned(revisions: &[&str], local: &Refs, by_id: bool) -> Plan {
        let remote = refs(&[("heads/a", 1), ("heads/b", 2), ("tags/a", 3), ("tags/v1.0.0", 4)]);
        let revisions: Vec<_> = revisions.iter().map(|text| Revision::parse(text)).collect();
        plan(&revisions, &remote, local, by_id, |oid| oid == id(7))
    }

    #[test]
    fn only_what_is_wanted_and_has_moved_is_fetched() {
        let local = refs(&[("heads/b", 2), ("tags/a", 8)]);
        for (revisions, expected) in [
            (&["a"][..], refs(&[("heads/a", 1), ("tags/a", 3)])),
            (&["b"], refs(&[])),
            (&["nothing"], refs(&[])),
            (&["refs/heads/a"], refs(&[("heads/a", 1)])),
            (&["refs/tags/a", "b"], refs(&[("tags/a", 3)])),
            (&["^1"], refs(&[("tags/a", 3), ("tags/v1.0.0", 4)])),
        ] {
            let plan = planned(revisions, &local, true);
            assert_eq!(plan.update, expected, "{revisions:?}");
            assert!(plan.remove.is_empty() && plan.commits.is_empty());
        }
    }

    #[test]
    fn what_the_server_no_longer_has_goes() {
        // A branch `a` in the way of a branch `a/b` must go, wanted or not.
        let plan = planned(&["b"], &refs(&[("heads/gone", 5), ("heads/b", 2)]), true);
        assert_eq!(plan.remove, ["refs/heads/gone".to_owned()].into());
    }

    #[test]
    fn a_commit_is_asked_for_by_id_or_looked_for_everywhere() {
        let present = id(7).to_string();
        assert_eq!(planned(&[&present], &Refs::new(), true), Plan::default());
        let asked = planned(&[ABSENT], &Refs::new(), true);
        assert_eq!(asked.refspecs(), [format!("{ABSENT}:{PINS}{ABSENT}")]);
        assert_eq!(planned(&[ABSENT], &Refs::new(), false).update.len(), 4);
    }
}
