//! Requests for objects: what each method does.

use std::sync::Arc;

use http::Method;
use serde_json::{Value, json};

use crate::sandbox::delete::Deletion;
use crate::sandbox::kinds::{Kind, REVIEWS};
use crate::sandbox::merge::{self, Writer};
use crate::sandbox::read::{Range, shown};
use crate::sandbox::refusal::{Granted, Refused};
use crate::sandbox::route::{Call, Target};
use crate::sandbox::serve::{Answered, JSON, NO_PAGE, Reply};
use crate::sandbox::state::{Shared, State};
use crate::sandbox::watch::Watch;
use crate::sandbox::write::{Write, expect_version, now};
use crate::sandbox::{patch, scale};

/// What a write answers, before it has the form that was asked for.
struct Done {
    code: u16,
    object: Arc<Value>,
    warnings: Vec<String>,
}

impl Done {
    fn ok(object: Arc<Value>) -> Self {
        Self { code: 200, object, warnings: Vec::new() }
    }
}

impl Shared {
    /// Answers a request for objects.
    pub(super) fn objects(self: &Arc<Self>, call: &Call, line: &str, stale: u64) -> Answered {
        let Target { group, version, namespace, plural, name, subresource } = &call.target;
        let (kind, known) = self.with(|state| {
            let kinds = &state.kinds;
            (kinds.find(group, version, plural).cloned(), kinds.serves(group, version))
        });
        let kind = match kind {
            None if !known => return Ok(NO_PAGE),
            kind => kind.ok_or_else(Refused::not_served)?,
        };
        if kind.resource == REVIEWS {
            return review(call);
        }
        let (name, subresource) = (name.as_deref(), subresource.as_deref());
        let elsewhere = namespace.is_some() != kind.namespaced;
        let served = match subresource {
            None => true,
            Some("status") => kind.status,
            Some("scale") => kind.scale.is_some(),
            Some(_) => false,
        };
        if !served || elsewhere && (namespace.is_some() || name.is_some()) {
            return Err(Refused::not_served());
        }
        if call.method == Method::GET {
            if call.query.is("watch") {
                let watch = Watch::begin(self, line, call, Range::of(&kind, call)?)?;
                return Ok(Reply::Stream(Box::new(watch)));
            }
            return self.with(|state| read(state, call, &kind, stale)).map(Reply::ok);
        }
        let by = Writer {
            manager: call.manager(),
            api_version: &kind.api_version,
            subresource,
            time: &now(),
        };
        let dry_run = dry_run(call)?;
        let write =
            Write { kind: &kind, namespace: namespace.as_deref().unwrap_or_default(), by, dry_run };
        if (&call.method, name) == (&Method::DELETE, None) {
            let range = Range::of(&kind, call)?;
            return self.with(|state| delete_all(state, call, &write, &range)).map(Reply::ok);
        }
        let done = self.with(|state| {
            let version = state.store.version();
            let done = carry_out(state, call, &write, name);
            if done.is_ok() && !dry_run {
                self.journal.note(state, version, call, line);
            }
            done
        });
        let Done { code, object, warnings } = done?;
        Ok(Reply::Object { code, object: shown(&kind, &object, call.view), warnings })
    }
}

fn carry_out(
    state: &mut State,
    call: &Call,
    write: &Write<'_>,
    name: Option<&str>,
) -> Granted<Done> {
    match (&call.method, name) {
        (&Method::POST, None) => create(state, call, write),
        (&Method::PUT, Some(name)) => replace(state, call, write, name),
        (&Method::PATCH, Some(name)) => change(state, call, write, name),
        (&Method::DELETE, Some(name)) => state.delete(write, name, &deletion(call)?).map(Done::ok),
        _ => Err(Refused::not_allowed()),
    }
}

/// Everybody may do everything.
fn review(call: &Call) -> Answered {
    if call.method != Method::POST {
        return Err(Refused::not_allowed());
    }
    // Whatever is asked, and in whatever encoding.
    let review = serde_json::from_slice(&call.body).ok().filter(Value::is_object);
    let mut object: Value = review.unwrap_or_else(|| json!({}));
    object["kind"] = json!("SelfSubjectAccessReview");
    object["apiVersion"] = json!("authorization.k8s.io/v1");
    object["status"] = json!({"allowed": true});
    Ok(Reply::Object { code: 201, object, warnings: Vec::new() })
}

fn read(state: &State, call: &Call, kind: &Arc<Kind>, writes_ago: u64) -> Granted<Value> {
    let Target { namespace, name, subresource, .. } = &call.target;
    let Some(name) = name else {
        return state.list(&Range::of(kind, call)?, call, writes_ago);
    };
    let live = state.live(kind, namespace.as_deref().unwrap_or_default(), name)?;
    match subresource.as_deref() {
        Some("scale") => Ok(scale::of(kind, &live)),
        _ => Ok(shown(kind, &live, call.view)),
    }
}

fn create(state: &mut State, call: &Call, write: &Write<'_>) -> Granted<Done> {
    let object = decode(call, write.kind)?;
    let warnings = check_fields(state, call, write.kind, &object)?;
    Ok(Done { code: 201, object: state.create(write, object)?, warnings })
}

fn replace(state: &mut State, call: &Call, write: &Write<'_>, name: &str) -> Granted<Done> {
    let object = decode(call, write.kind)?;
    if write.by.subresource != Some("scale") {
        expect_version(write.kind, &object)?;
    }
    revise(state, call, write, name, object)
}

fn change(state: &mut State, call: &Call, write: &Write<'_>, name: &str) -> Granted<Done> {
    if call.content_type == patch::APPLY {
        return apply(state, call, write, name);
    }
    let kind = write.kind;
    let mut live = state.live(kind, write.namespace, name)?;
    if write.by.subresource == Some("scale") {
        live = Arc::new(scale::of(kind, &live));
    }
    let wanted = patch::patched(&state.types, kind, &live, &call.content_type, &call.body)?;
    revise(state, call, write, name, wanted)
}

/// Brings an object, or its scale, to what is wanted.
fn revise(
    state: &mut State,
    call: &Call,
    write: &Write<'_>,
    name: &str,
    wanted: Value,
) -> Granted<Done> {
    if write.by.subresource == Some("scale") {
        return scale::replace(state, write, name, &wanted).map(Arc::new).map(Done::ok);
    }
    let warnings = check_fields(state, call, write.kind, &wanted)?;
    Ok(Done { code: 200, object: state.update(write, name, |object| *object = wanted)?, warnings })
}

fn apply(state: &mut State, call: &Call, write: &Write<'_>, name: &str) -> Granted<Done> {
    if call.query.text("fieldManager").is_empty() {
        let problem = "Required value: is required for apply patch";
        return Err(Refused::option("PatchOptions", "fieldManager", problem, "FieldValueRequired"));
    }
    let patch = applied(&call.body)?;
    let (object, created) = state.apply(write, name, patch, call.query.is("force"))?;
    Ok(Done { code: if created { 201 } else { 200 }, object, warnings: Vec::new() })
}

/// Reads what is to be applied: JSON, or YAML as people write it.
fn applied(body: &[u8]) -> Granted<Value> {
    if let Ok(value) = serde_json::from_slice(body) {
        return Ok(value);
    }
    let documents = crate::yaml::parse(body);
    let mut documents = documents.map_err(|errors| {
        let errors: Vec<String> = errors.iter().map(ToString::to_string).collect();
        Refused::bad_request(format!("error decoding YAML: {}", errors.join("; ")))
    })?;
    match documents.pop() {
        Some(document) if documents.is_empty() => Ok(document.root.to_json()),
        _ => Err(Refused::bad_request("error decoding YAML: not one document")),
    }
}

/// How a request wants objects to be deleted: by its options, and by its query.
fn deletion(call: &Call) -> Granted<Deletion> {
    let unreadable = || Refused::bad_request("the options cannot be read: they are no JSON object");
    let mut options: Value = match &call.body[..] {
        [] => json!({}),
        body => {
            serde_json::from_slice(body).ok().filter(Value::is_object).ok_or_else(unreadable)?
        }
    };
    let policy = call.query.text("propagationPolicy");
    if !policy.is_empty() {
        options["propagationPolicy"] = json!(policy);
    }
    Deletion::of(&options)
}

/// Deletes what a request selects; answers with what that was.
fn delete_all(state: &mut State, call: &Call, write: &Write<'_>, range: &Range) -> Granted<Value> {
    if write.kind.plural == "namespaces" {
        return Err(Refused::not_allowed());
    }
    let deletion = deletion(call)?;
    let list = state.list(range, call, 0)?;
    let keys: Vec<_> = state.selected(range).map(|(key, _)| key.clone()).collect();
    for key in keys {
        state.delete(&Write { namespace: &key.namespace, ..*write }, &key.name, &deletion)?;
    }
    Ok(list)
}

/// Whether the request only asks what would be.
fn dry_run(call: &Call) -> Granted<bool> {
    match call.query.text("dryRun") {
        "" => Ok(false),
        "All" => Ok(true),
        other => {
            let options = match call.method {
                Method::POST => "CreateOptions",
                Method::PUT => "UpdateOptions",
                Method::DELETE => "DeleteOptions",
                _ => "PatchOptions",
            };
            let problem = format!("Unsupported value: [\"{other}\"]: supported values: \"All\"");
            Err(Refused::option(options, "dryRun", &problem, "FieldValueNotSupported"))
        }
    }
}

/// Reads the object of a create or update.
fn decode(call: &Call, kind: &Kind) -> Granted<Value> {
    if call.content_type.contains("protobuf") {
        return Err(Refused::unsupported_media(JSON));
    }
    serde_json::from_slice(&call.body).map_err(|error| {
        Refused::bad_request(format!(
            "the object provided is unrecognized (must be of type {}): couldn't get version/kind; \
             json parse error: {error}",
            kind.kind
        ))
    })
}

/// Fields that the kind does not have: refused, warned of or passed over, as the client wants it.
fn check_fields(state: &State, call: &Call, kind: &Kind, object: &Value) -> Granted<Vec<String>> {
    let how = call.query.text("fieldValidation");
    if how == "Ignore" {
        return Ok(Vec::new());
    }
    let unknown = merge::validate(&state.types, &kind.api_version, &kind.kind, object);
    if how != "Strict" || unknown.is_empty() {
        return Ok(unknown);
    }
    Err(Refused::bad_request(format!(
        "{name} in version \"{version}\" cannot be handled as a {name}: strict decoding error: {unknown}",
        name = kind.kind,
        version = kind.version,
        unknown = unknown.join(", "),
    )))
}
