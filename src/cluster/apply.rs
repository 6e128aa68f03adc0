//! Writing objects: server-side apply, create, and taking over fields that others left.

use std::borrow::Cow;
use std::fmt::Write as _;

use http::{Method, StatusCode};
use serde_json::{Value, json};

use crate::cluster::answer::Answer;
use crate::cluster::call::{Call, Purpose, time_limit};
use crate::cluster::discovery::Ask;
use crate::cluster::error::ClusterError;
use crate::cluster::path;
use crate::cluster::read::JSON;
use crate::cluster::{Cluster, Writer};
use crate::domain::fields;
use crate::domain::manifest::Desired;
use crate::domain::object::{
    APPLICATION_LABEL, FIELD_MANAGER, INSTALLATION_ANNOTATION, INSTANCE_ANNOTATION,
};
use crate::domain::obstacle::{self, Obstacle};
use crate::failpoint::failpoint;

const APPLY_PATCH: &str = "application/apply-patch+yaml";
const MERGE_PATCH: &str = "application/merge-patch+json";
const JSON_PATCH: &str = "application/json-patch+json";
/// Longest beginning of a name, in bytes, under which it is asked whether an object could be made: the
/// whole is a label of DNS still.
const MAX_PROBED: usize = 58;
/// How often fields are taken over anew because the object changed meanwhile.
const MAX_TAKE_OVERS: usize = 4;

/// The object that came out of an apply or create.
#[derive(Debug, Clone, PartialEq)]
pub struct Applied {
    /// As it is now live, or would be after a dry run; with its managed fields.
    pub object: Value,
    /// Whether it was not there before.
    pub created: bool,
    /// What the API server warns of.
    pub warnings: Vec<String>,
}

/// Whether an apply takes fields that others own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Force {
    /// It takes them.
    Yes,
    /// They are a [`FieldConflict`](ClusterError::FieldConflict).
    No,
}

impl Cluster {
    /// Says what would come out of an [`apply`](Writer::apply). Managed fields of a version that is
    /// gone are a [`StaleFields`](ClusterError::StaleFields) error.
    pub async fn dry_run(&self, desired: &Desired, force: Force) -> Result<Applied, ClusterError> {
        let call = apply_call(desired, force, Purpose::DryRun)?;
        self.heed(&desired.resource, self.shared.caller.send(&call).await).map(applied)
    }

    /// Whether the API server would take the object if there were none of its name yet. It is asked
    /// under another name, which is near enough.
    pub async fn could_be_made(&self, desired: &Desired) -> bool {
        let name = &desired.key.name;
        let name = name[..name.floor_char_boundary(MAX_PROBED)].trim_end_matches(['.', '-']);
        let mut probe = desired.clone();
        probe.key.name = format!("{name}-anew");
        probe.value["metadata"]["name"] = probe.key.name.clone().into();
        let collection = path::collection(&desired.resource, desired.key.namespace.as_deref());
        let purpose = Purpose::DryRun;
        let call = write(&probe, Method::POST, &collection, JSON, &probe.value, purpose, None);
        self.shared.caller.send(&call).await.is_ok()
    }

    /// As [`dry_run`](Self::dry_run), after these obstacles were [cleared](Writer::clear) out of the
    /// way of an object as it is live.
    pub async fn dry_run_cleared(
        &self,
        desired: &Desired,
        live: &Value,
        obstacles: &[Obstacle],
    ) -> Result<Applied, ClusterError> {
        let path = path::object(&desired.resource, &desired.key)?;
        let body = obstacle::cleared(live, &desired.value, obstacles);
        let purpose = Purpose::DryRun;
        let call = write(desired, Method::PATCH, &path, MERGE_PATCH, &body, purpose, None);
        self.shared.caller.send(&call).await.map(applied)
    }
}

impl Writer<'_> {
    /// Applies an object on the server's side as manager `headstay`. An apply that changes nothing
    /// is no write to the cluster. Managed fields of a version that is gone are migrated on the
    /// way.
    pub async fn apply(&self, desired: &Desired, force: Force) -> Result<Applied, ClusterError> {
        let call = apply_call(desired, force, Purpose::Write(self.gate))?;
        match self.cluster.heed(&desired.resource, self.send(&call).await) {
            Err(ClusterError::StaleFields { .. }) => {
                if let Some(live) = self.cluster.get(&desired.resource, &desired.key).await? {
                    self.take_over(desired, &live).await?;
                }
                self.send(&call).await.map(applied)
            }
            sent => sent.map(applied),
        }
    }

    /// Creates an object, or fails with [`AlreadyExists`](ClusterError::AlreadyExists). The fields
    /// are then made ours as an apply would have, so that the object is known as ours; if that
    /// fails, the object is there and [`take_over`](Self::take_over) can be tried again.
    pub async fn create(&self, desired: &Desired) -> Result<Applied, ClusterError> {
        // The name is checked, although a create does not put it into the path.
        path::object(&desired.resource, &desired.key)?;
        let collection = path::collection(&desired.resource, desired.key.namespace.as_deref());
        let purpose = Purpose::Write(self.gate);
        let call = write(desired, Method::POST, &collection, JSON, &desired.value, purpose, None);
        let mut created = applied(self.cluster.heed(&desired.resource, self.send(&call).await)?);
        failpoint("create:after");
        if let Some(owned) = self.take_over(desired, &created.object).await? {
            created.object = owned;
        }
        Ok(created)
    }

    /// Makes an object ours without a change of what it says: by its marks, and by the fields that a
    /// create of ours left behind. Answers with the object as it then is.
    pub async fn adopt(&self, desired: &Desired, live: &Value) -> Result<Value, ClusterError> {
        let marks_of = |object: &Value| {
            let metadata = &object["metadata"];
            let annotations = &metadata["annotations"];
            json!({
                "labels": {APPLICATION_LABEL: metadata["labels"][APPLICATION_LABEL]},
                "annotations": {
                    INSTANCE_ANNOTATION: annotations[INSTANCE_ANNOTATION],
                    INSTALLATION_ANNOTATION: annotations[INSTALLATION_ANNOTATION],
                },
            })
        };
        let mut marks = marks_of(&desired.value);
        let mut live = live.clone();
        if marks_of(&live) != marks {
            marks["resourceVersion"] = live["metadata"]["resourceVersion"].clone();
            let marks = json!({"metadata": marks});
            let path = path::object(&desired.resource, &desired.key)?;
            let purpose = Purpose::Write(self.gate);
            let mut call = write(desired, Method::PATCH, &path, MERGE_PATCH, &marks, purpose, None);
            call.repeat_conflict = false;
            live = self.cluster.heed(&desired.resource, self.send(&call).await)?.value;
        }
        Ok(self.take_over(desired, &live).await?.unwrap_or(live))
    }

    /// Makes fields ours which others left behind on a live object (see
    /// [`fields::take_over`]), and answers with the object as it then is; none when there was
    /// nothing to take, or nothing is there any more. It changes who owns fields, and of values
    /// only that it drops what `kubectl apply` keeps in an annotation.
    pub async fn take_over(
        &self,
        desired: &Desired,
        live: &Value,
    ) -> Result<Option<Value>, ClusterError> {
        let kind = desired.resource.group_kind();
        let version = desired.resource.api_version();
        let asked = Ask { kind: kind.clone(), version: Some(desired.resource.version.clone()) };
        let kinds = self.cluster.kinds(&[asked]).await?;
        let serves = |api_version: &str| api_version == version || kinds.serves(&kind, api_version);
        self.rewrite(desired, live, |live| fields::take_over(live, serves)).await
    }

    /// Makes fields ours that are in the way of an apply (see [`obstacle::clear`]), so that the apply
    /// removes them. It changes no value.
    pub async fn clear(
        &self,
        desired: &Desired,
        live: &Value,
        obstacles: &[Obstacle],
    ) -> Result<Option<Value>, ClusterError> {
        self.rewrite(desired, live, |live| obstacle::clear(live, &desired.value, obstacles)).await
    }

    /// Patches an object as it is live, again when it has changed meanwhile. None: there was nothing to
    /// patch, or nothing is there any more.
    async fn rewrite(
        &self,
        desired: &Desired,
        live: &Value,
        patch: impl Fn(&Value) -> Option<Value> + Send,
    ) -> Result<Option<Value>, ClusterError> {
        let object_path = path::object(&desired.resource, &desired.key)?;
        let mut live = live.clone();
        for attempt in 1.. {
            let Some(patch) = patch(&live) else { return Ok(None) };
            let purpose = Purpose::Write(self.gate);
            let mut call =
                write(desired, Method::PATCH, &object_path, JSON_PATCH, &patch, purpose, None);
            call.repeat_conflict = false;
            match self.send(&call).await {
                Ok(answer) => return Ok(Some(answer.value)),
                Err(ClusterError::NotFound { .. }) => return Ok(None),
                Err(ClusterError::Conflict { .. }) if attempt < MAX_TAKE_OVERS => {}
                Err(error) => return Err(error),
            }
            match self.cluster.get(&desired.resource, &desired.key).await? {
                Some(now) => live = now,
                None => return Ok(None),
            }
        }
        Ok(None)
    }
}

fn apply_call<'a>(
    desired: &Desired,
    force: Force,
    purpose: Purpose<'a>,
) -> Result<Call<'a>, ClusterError> {
    let path = path::object(&desired.resource, &desired.key)?;
    let force = match force {
        Force::Yes => "true",
        Force::No => "false",
    };
    // JSON is YAML; the content type has no JSON of its own that older servers know.
    Ok(write(desired, Method::PATCH, &path, APPLY_PATCH, &desired.value, purpose, Some(force)))
}

fn write<'a>(
    desired: &Desired,
    method: Method,
    path: &str,
    content_type: &'static str,
    body: &Value,
    purpose: Purpose<'a>,
    force: Option<&str>,
) -> Call<'a> {
    let given_up = time_limit();
    let mut query = vec![("fieldManager", FIELD_MANAGER), ("fieldValidation", "Strict")];
    query.extend(force.map(|force| ("force", force)));
    match purpose {
        Purpose::Write(_) => query.push(("timeout", &given_up)),
        Purpose::DryRun => query.push(("dryRun", "All")),
        Purpose::Read => {}
    }
    Call {
        object: desired.key.clone(),
        purpose,
        method,
        uri: path::with_query(path, &query),
        accept: JSON,
        body: Some((content_type, printable(&body.to_string()).into_owned().into_bytes())),
        repeat_conflict: true,
    }
}

/// JSON that is YAML as well, which an apply patch is read as: YAML has no control characters, and no
/// byte order mark, but as escapes.
fn printable(json: &str) -> Cow<'_, str> {
    let is_printable = |c: char| match c {
        '\u{7f}'..='\u{84}' | '\u{86}'..='\u{9f}' | '\u{feff}' | '\u{fffe}' | '\u{ffff}' => false,
        _ => c == '\t' || c == '\n' || c >= ' ',
    };
    if json.chars().all(is_printable) {
        return Cow::Borrowed(json);
    }
    let mut escaped = String::with_capacity(json.len() + 64);
    for c in json.chars() {
        if is_printable(c) {
            escaped.push(c);
        } else {
            // Nothing beyond the first 65 536 characters is unprintable.
            _ = write!(escaped, "\\u{:04x}", u32::from(c));
        }
    }
    Cow::Owned(escaped)
}

fn applied(answer: Answer) -> Applied {
    Applied {
        created: answer.status == StatusCode::CREATED,
        object: answer.value,
        warnings: answer.warnings,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_sent_is_json_and_yaml_and_means_the_same() {
        let value = json!({"a\u{feff}": "\u{7f}\u{85}\u{9b}31m\u{202e}\u{1F600}\u{fffe}\u{0}\t\n"});
        let sent = printable(&value.to_string()).into_owned();
        assert_eq!(serde_json::from_str::<Value>(&sent).unwrap(), value);
        assert!(!sent.contains(['\u{feff}', '\u{7f}', '\u{9b}', '\u{fffe}', '\u{0}']), "{sent}");
        assert!(sent.contains('\u{1F600}'), "{sent}");
        assert!(matches!(printable("{}"), Cow::Borrowed(_)));
    }
}
