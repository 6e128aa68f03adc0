//! What is deleted. It is decided here and nowhere else, about the live objects, right before the
//! first of them goes: which objects, whether so many may, and what a person's yes was given for.

use std::collections::{BTreeMap, HashMap, HashSet};

use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::domain::commit::CommitId;
use crate::domain::directives::{self, PRUNE_ANNOTATION};
use crate::domain::home::Home;
use crate::domain::installation::Installation;
use crate::domain::inventory::{InventoryItem, Kept};
use crate::domain::manifest::Desired;
use crate::domain::name::ApplicationName;
use crate::domain::object::{GroupKind, ObjectKey, Resource};
use crate::domain::sync::BlockedPlan;

/// Owned objects from which on the percentage of the prune limit counts: of three objects, one is
/// already 33 %.
const PERCENT_COUNTS_FROM: usize = 10;

/// What is there of an object that Git no longer names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Live {
    /// Nothing.
    Absent,
    /// Nothing, and its kind is no longer served.
    KindGone,
    /// This.
    There(Box<Sight>),
}

/// What counts of a live object for its delete.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sight {
    resource: Resource,
    uid: String,
    resource_version: Option<String>,
    /// Whether its marks say that we applied it.
    ours: bool,
    /// Why its annotations keep it.
    kept: Option<String>,
    /// What goes with it.
    home: Option<Home>,
    /// It is deleted already, and goes when these finalizers are through.
    finalizers: Option<Vec<String>>,
}

impl Sight {
    /// Whether it is deleted already, and not gone yet.
    pub fn is_going(&self) -> bool {
        self.finalizers.is_some()
    }

    /// What a live object shows.
    pub fn of(
        live: &Value,
        resource: Resource,
        item: &InventoryItem,
        application: &ApplicationName,
        installation: &Installation,
    ) -> Self {
        let metadata = &live["metadata"];
        let text = |key: &str| metadata[key].as_str().map(str::to_owned);
        let names = metadata["finalizers"].as_array().into_iter().flatten();
        let finalizers = names.filter_map(Value::as_str).map(str::to_owned).collect();
        Self {
            resource,
            uid: text("uid").unwrap_or_default(),
            resource_version: text("resourceVersion"),
            ours: installation.owns(live, application, item.uid.as_deref()),
            kept: directives::keeps_from_prune(live),
            home: Home::of(&item.object, live),
            finalizers: metadata["deletionTimestamp"].is_string().then_some(finalizers),
        }
    }
}

/// What others have to do with the objects that Git no longer names for an application.
#[derive(Debug, Default)]
pub struct Claims {
    /// The application that has applied an object meanwhile: the object is handed over.
    pub taken: HashMap<ObjectKey, ApplicationName>,
    /// Why an object has to wait: another application takes it at this commit, or may.
    pub expected: BTreeMap<ObjectKey, String>,
    /// The uids of the objects that Git names. One that moved to another API group is one object
    /// under two names.
    pub named: HashSet<String>,
}

impl Claims {
    /// Whether another application has to do with an object, so that nothing else counts.
    pub fn are_on(&self, key: &ObjectKey) -> bool {
        self.taken.contains_key(key) || self.expected.contains_key(key)
    }
}

/// What becomes of an object that Git no longer names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fate {
    /// It is deleted.
    Delete(Box<Deletion>),
    /// It is gone.
    Gone,
    /// It is gone, and its kind with it.
    KindGone,
    /// It is not ours any more, for this reason, and leaves the inventory.
    Release(String),
    /// It stays, and stays ours.
    Keep(Kept, String),
}

/// The right to delete one object as it was seen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Deletion {
    key: ObjectKey,
    resource: Resource,
    uid: String,
    resource_version: Option<String>,
    home: Option<Home>,
}

impl Deletion {
    /// The object.
    pub fn key(&self) -> &ObjectKey {
        &self.key
    }

    /// How it is reached.
    pub fn resource(&self) -> &Resource {
        &self.resource
    }

    /// It is the object with this uid that is deleted, and no other of its name.
    pub fn uid(&self) -> &str {
        &self.uid
    }

    /// And only as it is in this version; none: as it is then.
    pub fn resource_version(&self) -> Option<&str> {
        self.resource_version.as_deref()
    }

    /// The right to delete an object as it was seen because Git asks for it to be made anew; none if
    /// Git does not, or it is not an object of `application`, whose inventory has it by `uid`.
    pub fn to_recreate(
        desired: &Desired,
        live: &Value,
        application: &ApplicationName,
        uid: Option<&str>,
        installation: &Installation,
    ) -> Option<Self> {
        let ours = installation.owns(live, application, uid);
        (desired.directives().force && ours).then_some(Self {
            key: desired.key.clone(),
            resource: desired.resource.clone(),
            uid: live["metadata"]["uid"].as_str()?.to_owned(),
            // Its status may move all the time.
            resource_version: None,
            home: None,
        })
    }
}

/// Decides about one object that Git no longer names.
pub fn fate(item: &InventoryItem, live: Live, claims: &Claims) -> Fate {
    let key = &item.object;
    if let Some(taker) = claims.taken.get(key) {
        return Fate::Release(format!("handed over to application {taker}"));
    }
    if let Some(why) = claims.expected.get(key) {
        return Fate::Keep(Kept::ForNeighbour, why.clone());
    }
    let sight = match live {
        Live::Absent => return Fate::Gone,
        Live::KindGone => return Fate::KindGone,
        Live::There(sight) => *sight,
    };
    if !sight.ours {
        return Fate::Release("it is no longer marked as ours".into());
    }
    if claims.named.contains(&sight.uid) {
        return Fate::Release("Git names it under another API group".into());
    }
    if let Some(finalizers) = sight.finalizers {
        return Fate::Keep(Kept::Terminating, terminating(&finalizers));
    }
    if let Some(why) = sight.kept.or_else(|| item.prune_disabled.then(git_keeps)) {
        return Fate::Keep(Kept::ByAnnotation, why);
    }
    if item.kept == Some(Kept::ByPerson) {
        let why =
            "a person stopped its prune: it goes when Git changes, or somebody asks for a sync";
        return Fate::Keep(Kept::ByPerson, why.to_owned());
    }
    let Sight { resource, uid, resource_version, home, .. } = sight;
    Fate::Delete(Box::new(Deletion { key: key.clone(), resource, uid, resource_version, home }))
}

impl Fate {
    /// Whether the object is there after the prune, and may not go with another one.
    pub fn stays(&self) -> bool {
        match self {
            Self::Delete(_) | Self::Gone | Self::KindGone | Self::Keep(Kept::Terminating, _) => {
                false
            }
            Self::Release(_) | Self::Keep(..) => true,
        }
    }

    /// What becomes of it when these stay: what would take one of them along is kept.
    #[must_use]
    pub fn beside<'a>(self, staying: impl IntoIterator<Item = &'a ObjectKey>) -> Self {
        let Self::Delete(deletion) = &self else { return self };
        let Some(home) = &deletion.home else { return self };
        match staying.into_iter().find(|object| home.holds(object)) {
            Some(object) => {
                Self::Keep(Kept::InUse, format!("{object} stays, and would go with it"))
            }
            None => self,
        }
    }
}

/// What is told of an object that Git said is never to be pruned, and that does not say so itself.
fn git_keeps() -> String {
    format!("Git said `{PRUNE_ANNOTATION}: disabled` when it last named it: delete it by hand")
}

/// What is told of an object that is deleted and not gone yet.
pub fn terminating(finalizers: &[String]) -> String {
    if finalizers.is_empty() {
        return "it is deleted, and not gone yet".to_owned();
    }
    format!("it is deleted, and goes when its finalizers are through: {}", finalizers.join(", "))
}

/// How much one sync may prune without being asked.
pub struct PruneBounds<'a> {
    /// Percent of the inventory.
    pub percent: u32,
    /// Number of objects.
    pub objects: u32,
    /// Whether no object of this kind may be pruned unasked.
    pub guarded: &'a (dyn Fn(&GroupKind) -> bool + Sync),
}

/// A person's yes: the hash of a plan, and that plan.
#[derive(Debug, Clone, Copy, Default)]
pub struct Approval<'a> {
    /// The hash that was approved.
    pub hash: Option<&'a str>,
    /// The plan that was last shown.
    pub plan: Option<&'a BlockedPlan>,
}

impl Approval<'_> {
    /// Whether the yes was given for these deletes at this commit: all of them were shown.
    fn covers(&self, commit: &CommitId, prune: &[ObjectKey]) -> bool {
        let Some((approved, plan)) = self.hash.zip(self.plan) else { return false };
        let shown: HashSet<_> = plan.prune.iter().collect();
        approved == hash(commit, &plan.prune) && prune.iter().all(|key| shown.contains(key))
    }
}

/// The plan that a person is asked about before these objects are deleted; none: they may go.
/// `owned` is the number of objects of the inventory.
pub fn needs_a_yes(
    commit: &CommitId,
    prune: Vec<ObjectKey>,
    owned: usize,
    bounds: &PruneBounds<'_>,
    approval: Approval<'_>,
) -> Option<BlockedPlan> {
    let reason = beyond_limit(&prune, owned, bounds)?;
    if approval.covers(commit, &prune) {
        return None;
    }
    Some(BlockedPlan { hash: hash(commit, &prune), reason, prune })
}

/// Says which bound pruning these objects would break, or none.
pub fn beyond_limit(prune: &[ObjectKey], owned: usize, bounds: &PruneBounds<'_>) -> Option<String> {
    if let Some(object) = prune.iter().find(|object| (bounds.guarded)(&object.group_kind())) {
        return Some(format!("{object} is of a kind that is only pruned when approved"));
    }
    if prune.len() > bounds.objects as usize {
        return Some(format!(
            "it would prune {} objects, more than the limit of {}",
            prune.len(),
            bounds.objects
        ));
    }
    let share = prune.len() * 100;
    if owned >= PERCENT_COUNTS_FROM && share > owned * bounds.percent as usize {
        return Some(format!(
            "it would prune {} of {owned} objects, more than {} %",
            prune.len(),
            bounds.percent
        ));
    }
    None
}

/// Names a plan: what an approval is bound to.
pub fn hash(commit: &CommitId, prune: &[ObjectKey]) -> String {
    let mut lines: Vec<_> = prune.iter().map(ToString::to_string).collect();
    lines.sort_unstable();
    let mut digest = Sha256::new_with_prefix(commit.as_str());
    for line in lines {
        digest.update("\n");
        digest.update(line);
    }
    hex::encode(&digest.finalize()[..8])
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::domain::health::HealthStatus;

    fn key(kind: &str, name: &str) -> ObjectKey {
        ObjectKey {
            group: String::new(),
            kind: kind.into(),
            namespace: Some("shop".into()),
            name: name.into(),
        }
    }

    fn keys(count: usize, kind: &str) -> Vec<ObjectKey> {
        (0..count).map(|n| key(kind, &format!("o{n}"))).collect()
    }

    fn item() -> InventoryItem {
        InventoryItem {
            object: key("ConfigMap", "old"),
            version: "v1".into(),
            hash: Some("h".into()),
            commit: "a".repeat(40).parse().unwrap(),
            uid: Some("u1".into()),
            resource_version: Some("7".into()),
            generation: None,
            health: HealthStatus::Healthy,
            health_reason: None,
            kept: Some(Kept::UntilHealthy),
            prune_disabled: false,
        }
    }

    fn live(change: impl FnOnce(&mut Value)) -> Live {
        let mut live = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {
            "name": "old", "namespace": "shop", "uid": "u1", "resourceVersion": "9",
            "labels": {"headstay.dev/application": "shop"},
            "annotations": {"headstay.dev/instance": "new"},
            "managedFields": [{"manager": "headstay", "operation": "Apply", "fieldsV1": {}}]}});
        change(&mut live["metadata"]);
        let id = "01a209e4-db44-70d0-b91b-6f65201e4671".parse().unwrap();
        let installation =
            Installation { id, instance: "new".into(), former: vec!["former".into()] };
        let shop = "shop".parse().unwrap();
        let resource = Resource {
            group: String::new(),
            version: "v1".into(),
            kind: "ConfigMap".into(),
            plural: "configmaps".into(),
            namespaced: true,
        };
        Live::There(Box::new(Sight::of(&live, resource, &item(), &shop, &installation)))
    }

    fn told(fate: &Fate) -> String {
        match fate {
            Fate::Delete(deletion) => format!(
                "delete {} at {}",
                deletion.uid(),
                deletion.resource_version().unwrap_or("any")
            ),
            Fate::Gone => "gone".into(),
            Fate::KindGone => "gone with its kind".into(),
            Fate::Release(why) => format!("release: {why}"),
            Fate::Keep(kept, why) => format!("{}: {why}", kept.as_str()),
        }
    }

    #[test]
    fn what_a_person_stopped_does_not_go_with_what_is_due() {
        for (kept, told_first) in [
            (Some(Kept::ByPerson), "byPerson: a person"),
            (Some(Kept::UntilHealthy), "delete u1"),
            (None, "delete u1"),
        ] {
            let fate = fate(&InventoryItem { kept, ..item() }, live(|_| ()), &Claims::default());
            assert!(told(&fate).starts_with(told_first), "{}", told(&fate));
        }
    }

    #[test]
    fn only_what_is_ours_and_nobody_wants_is_deleted() {
        let annotate = |key: &'static str, value: &'static str| {
            move |metadata: &mut Value| metadata["annotations"][key] = json!(value)
        };
        let cases = [
            (live(|_| ()), "delete u1 at 9"),
            (Live::Absent, "gone"),
            (Live::KindGone, "gone with its kind"),
            (
                live(|metadata| metadata["labels"] = json!({})),
                "release: it is no longer marked as ours",
            ),
            (
                live(annotate("headstay.dev/instance", "elsewhere")),
                "release: it is no longer marked as ours",
            ),
            (live(annotate("headstay.dev/instance", "former")), "delete u1 at 9"),
            (
                live(annotate("headstay.dev/installation", "another")),
                "release: it is no longer marked as ours",
            ),
            (
                live(|metadata| metadata["uid"] = json!("u2")),
                "release: it is no longer marked as ours",
            ),
            (
                live(annotate("headstay.dev/prune", "disabled")),
                "byAnnotation: its annotation headstay.dev/prune is `disabled`",
            ),
            // A word that means nothing is taken for what is safe.
            (
                live(annotate("headstay.dev/prune", "Disabled")),
                "byAnnotation: its annotation headstay.dev/prune is `Disabled`",
            ),
            (live(annotate("headstay.dev/wave", "first")), "delete u1 at 9"),
            (
                live(|metadata| {
                    metadata["deletionTimestamp"] = json!("2026-01-01T00:00:00Z");
                    metadata["finalizers"] = json!(["example.org/keep"]);
                }),
                "terminating: it is deleted, and goes when its finalizers are through: \
                 example.org/keep",
            ),
        ];
        for (live, expected) in cases {
            assert_eq!(told(&fate(&item(), live, &Claims::default())), expected);
        }
    }

    #[test]
    fn what_git_said_last_keeps_an_object_that_does_not_say_so() {
        let item = InventoryItem { prune_disabled: true, ..item() };
        let kept = told(&fate(&item, live(|_| ()), &Claims::default()));
        assert!(
            kept.starts_with("byAnnotation: Git said `headstay.dev/prune: disabled`"),
            "{kept}"
        );
        assert_eq!(told(&fate(&item, Live::Absent, &Claims::default())), "gone");
    }

    #[test]
    fn what_would_take_along_what_stays_is_kept() {
        let definition = json!({"spec": {"group": "ex.org", "names": {"kind": "Gear"}}});
        let home = |kind: &str, name: &str, group: &str| {
            let (group, kind, namespace) = (group.to_owned(), kind.to_owned(), None);
            let key = ObjectKey { group, kind, namespace, name: name.to_owned() };
            Home::of(&key, &definition)
        };
        let gear = ObjectKey { group: "ex.org".into(), ..key("Gear", "big") };
        let crd = home("CustomResourceDefinition", "gears.ex.org", "apiextensions.k8s.io").unwrap();
        assert!(crd.holds(&gear) && !crd.holds(&key("Gear", "big")));
        assert_eq!(home("ConfigMap", "shop", ""), None);

        let Fate::Delete(deletion) = fate(&item(), live(|_| ()), &Claims::default()) else {
            panic!("nobody keeps it");
        };
        let namespace = Deletion { home: home("Namespace", "shop", ""), ..*deletion };
        let beside = |staying: &[ObjectKey]| {
            told(&Fate::Delete(Box::new(namespace.clone())).beside(staying))
        };
        let kept = "inUse: ConfigMap shop/left stays, and would go with it";
        assert_eq!(
            beside(&[gear.clone(), key("ConfigMap", "left")]),
            format!("inUse: {gear} stays, and would go with it")
        );
        assert_eq!(beside(&[key("ConfigMap", "left")]), kept);
        assert_eq!(beside(&[]), "delete u1 at 9");
    }

    #[test]
    fn what_others_claim_is_not_even_looked_at() {
        let mut claims = Claims::default();
        claims.named.insert("u1".into());
        let release = "release: Git names it under another API group";
        assert_eq!(told(&fate(&item(), live(|_| ()), &claims)), release);
        claims.expected.insert(item().object, "application stock may take it over".into());
        let waits = "forNeighbour: application stock may take it over";
        assert_eq!(told(&fate(&item(), live(|_| ()), &claims)), waits);
        claims.taken.insert(item().object, "stock".parse().unwrap());
        let taken = "release: handed over to application stock";
        assert_eq!(told(&fate(&item(), live(|_| ()), &claims)), taken);
    }

    fn limit(prune: &[ObjectKey], owned: usize) -> Option<String> {
        let guarded = |kind: &GroupKind| kind.kind == "Namespace";
        beyond_limit(prune, owned, &PruneBounds { percent: 50, objects: 100, guarded: &guarded })
    }

    #[test]
    fn few_objects_are_pruned_unasked() {
        assert_eq!(limit(&[], 0), None);
        assert_eq!(limit(&keys(9, "ConfigMap"), 9), None);
        assert_eq!(limit(&keys(5, "ConfigMap"), 10), None);
    }

    #[test]
    fn each_bound_blocks_by_itself() {
        let percent = limit(&keys(6, "ConfigMap"), 10).unwrap();
        assert!(percent.contains("6 of 10 objects, more than 50 %"), "{percent}");
        let objects = limit(&keys(101, "ConfigMap"), 1000).unwrap();
        assert!(objects.contains("more than the limit of 100"), "{objects}");
        let kind = limit(&keys(1, "Namespace"), 1000).unwrap();
        assert!(kind.contains("only pruned when approved"), "{kind}");
    }

    #[test]
    fn a_yes_is_for_what_was_shown_and_for_no_object_more() {
        let commit: CommitId = "a".repeat(40).parse().unwrap();
        let other: CommitId = "b".repeat(40).parse().unwrap();
        let bounds = PruneBounds { percent: 100, objects: 1, guarded: &|_| false };
        let ask = |commit: &CommitId, count, approval| {
            needs_a_yes(commit, keys(count, "ConfigMap"), 9, &bounds, approval)
        };
        let plan = ask(&commit, 4, Approval::default()).unwrap();
        let yes = Approval { hash: Some(&plan.hash), plan: Some(&plan) };
        for (commit, count, asked) in
            [(&commit, 4, false), (&commit, 3, false), (&commit, 5, true), (&other, 4, true)]
        {
            assert_eq!(ask(commit, count, yes).is_some(), asked, "{commit} {count}");
        }
        let no = Approval { hash: None, plan: Some(&plan) };
        assert!(ask(&commit, 4, no).is_some());
        let another = Approval { hash: Some("0123456789abcdef"), plan: Some(&plan) };
        assert!(ask(&commit, 4, another).is_some());
    }

    #[test]
    fn a_plan_is_named_by_its_commit_and_its_objects_in_any_order() {
        let commit: CommitId = "a".repeat(40).parse().unwrap();
        let other: CommitId = "b".repeat(40).parse().unwrap();
        let mut objects = keys(3, "ConfigMap");
        let name = hash(&commit, &objects);
        objects.reverse();
        assert_eq!(hash(&commit, &objects), name);
        assert_ne!(hash(&other, &objects), name);
        assert_ne!(hash(&commit, &objects[1..]), name);
    }
}
