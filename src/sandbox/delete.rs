//! Deletions: what is held back by finalizers is marked, and everything else goes at once.

use std::sync::Arc;

use serde_json::{Value, json};

use crate::sandbox::kinds::{DEFINITIONS, Kind};
use crate::sandbox::object::{is_leaving, items, name_of, set, text};
use crate::sandbox::refusal::{Granted, Refused, about};
use crate::sandbox::state::State;
use crate::sandbox::storage::Key;
use crate::sandbox::write::{Write, is_released};

/// Waits for the dependents to be gone.
pub(super) const FOREGROUND: &str = "foregroundDeletion";
/// Waits for the dependents to forget their owner.
pub(super) const ORPHAN: &str = "orphan";
/// Waits for the objects of a definition to be gone.
pub(super) const CLEANUP: &str = "customresourcecleanup.apiextensions.k8s.io";

/// What becomes of the objects that an object owns.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Propagation {
    #[default]
    Background,
    Foreground,
    Orphan,
}

/// How an object is to be deleted.
#[derive(Debug, Clone, Default)]
pub(super) struct Deletion {
    propagation: Propagation,
    dry_run: bool,
    uid: Option<String>,
    resource_version: Option<String>,
}

impl Deletion {
    /// One that waits for the dependents.
    pub(super) fn foreground() -> Self {
        Self { propagation: Propagation::Foreground, ..Self::default() }
    }

    /// Reads `DeleteOptions`.
    pub(super) fn of(options: &Value) -> Granted<Self> {
        let policy = options["propagationPolicy"].as_str();
        let propagation = match policy {
            Some("Foreground") => Propagation::Foreground,
            Some("Orphan") => Propagation::Orphan,
            None if options["orphanDependents"] == true => Propagation::Orphan,
            None | Some("" | "Background") => Propagation::Background,
            Some(other) => {
                let problem = format!(
                    "Unsupported value: \"{other}\": supported values: \"Foreground\", \
                     \"Background\", \"Orphan\", \"nil\""
                );
                let (options, field) = ("DeleteOptions", "propagationPolicy");
                let reason = "FieldValueNotSupported";
                return Err(Refused::option(options, field, &problem, reason));
            }
        };
        let text = |field: &str| options["preconditions"][field].as_str().map(str::to_owned);
        Ok(Self {
            propagation,
            dry_run: options["dryRun"] == json!(["All"]),
            uid: text("uid"),
            resource_version: text("resourceVersion"),
        })
    }

    fn check(&self, kind: &Kind, live: &Value) -> Granted<()> {
        let metadata = &live["metadata"];
        for (wanted, field, called, happened) in [
            (&self.uid, "uid", "UID", "deleted and then recreated"),
            (&self.resource_version, "resourceVersion", "ResourceVersion", "modified"),
        ] {
            let is = text(&metadata[field]);
            if let Some(wanted) = wanted.as_deref().filter(|wanted| *wanted != is) {
                let because = format!(
                    "the {called} in the precondition ({wanted}) does not match the {called} in \
                     record ({is}). The object might have been {happened}"
                );
                return Err(Refused::precondition(kind, name_of(live), &because));
            }
        }
        Ok(())
    }
}

impl State {
    /// Deletes an object, or marks it; answers with the object, or with the success.
    pub(super) fn delete(
        &mut self,
        write: &Write<'_>,
        name: &str,
        deletion: &Deletion,
    ) -> Granted<Arc<Value>> {
        let live = self.live(write.kind, write.namespace, name)?;
        deletion.check(write.kind, &live)?;
        let dry_run = write.dry_run || deletion.dry_run;
        if is_leaving(&live) && deletion.propagation == Propagation::Background {
            return Ok(live);
        }
        let mut marked = Value::clone(&live);
        self.mark(write, &mut marked, deletion.propagation);
        let key = Key::new(&write.kind.resource, write.namespace, name);
        if !is_released(&marked) {
            return Ok(if dry_run { live } else { self.put(key, marked) });
        }
        if !dry_run {
            self.remove(&key);
        }
        if matches!(key.resource.as_str(), "pods" | "services") {
            return Ok(Arc::new(marked));
        }
        let mut details = about(write.kind, name);
        details["uid"] = live["metadata"]["uid"].clone();
        Ok(Arc::new(json!({"kind": "Status", "apiVersion": "v1", "metadata": {},
                           "status": "Success", "details": details})))
    }

    fn mark(&self, write: &Write<'_>, object: &mut Value, propagation: Propagation) {
        let resource = &write.kind.resource;
        let more = match propagation {
            _ if *resource == DEFINITIONS => {
                let any = self.store.list(name_of(object), None).next().is_some();
                any.then_some(CLEANUP)
            }
            Propagation::Foreground => Some(FOREGROUND),
            Propagation::Orphan => Some(ORPHAN),
            Propagation::Background => None,
        };
        let metadata = &mut object["metadata"];
        if let Some(more) = more {
            let mut finalizers = items(&metadata["finalizers"]).to_vec();
            if !finalizers.iter().any(|one| one == more) {
                finalizers.push(json!(more));
            }
            metadata["finalizers"] = json!(finalizers);
        }
        if metadata["deletionTimestamp"].is_string() {
            return;
        }
        metadata["deletionTimestamp"] = json!(write.by.time);
        if *resource == "namespaces" {
            set(object, &["status", "phase"], json!("Terminating"));
            return;
        }
        metadata["deletionGracePeriodSeconds"] = json!(0);
        if let Some(generation) = metadata["generation"].as_u64() {
            metadata["generation"] = json!(generation + 1);
        }
    }
}
