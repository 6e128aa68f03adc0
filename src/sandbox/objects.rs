//! Requests for objects: what each method does.

use http::Method;
use serde_json::{Value, json};

use crate::sandbox::delete::Deletion;
use crate::sandbox::kinds::Kind;
use crate::sandbox::read::{Range, shown};
use crate::sandbox::refusal::Refused;
use crate::sandbox::route::{Call, Target};
use crate::sandbox::serve::{Answered, JSON, NO_PAGE, Reply, Server};
use crate::sandbox::state::State;
use crate::sandbox::watch::Watch;
use crate::sandbox::write::{Write, expect_version, now};
use crate::sandbox::{merge, patch, scale};

impl Server {
    /// Answers a request for objects.
    pub(super) fn objects(&self, call: &Call, line: &str, stale: u64) -> Answered {
        let Target { group, version, namespace, plural, name, subresource } = &call.target;
        let (kind, known) = self.shared.with(|state| {
            let kinds = &state.kinds;
            (kinds.find(group, version, plural).cloned(), kinds.serves(group, version))
        });
        let kind = match kind {
            None if !known => return Ok(NO_PAGE),
            kind => kind.ok_or_else(Refused::not_served)?,
        };
        let (namespace, name) = (namespace.as_deref(), name.as_deref());
        if namespace.is_some() != kind.namespaced && (namespace.is_some() || name.is_some()) {
            return Err(Refused::not_served());
        }
        let known = match subresource.as_deref() {
            None => true,
            Some("status") => kind.status,
            Some("scale") => kind.scale.is_some(),
            Some(_) => false,
        };
        if !known {
            return Err(Refused::not_served());
        }
        if call.method == Method::GET {
            if call.query.is("watch") {
                let range = Range::of(&kind, namespace, &call.query, name)?;
                let (shared, faults) = (&self.shared, &self.faults);
                let watch =
                    Watch::begin(shared, faults, line, &kind, range, &call.query, call.view)?;
                return Ok(Reply::Stream(Box::new(watch)));
            }
            return self.shared.with(|state| read(state, call, &kind, stale));
        }
        let now = now();
        let dry_run = dry_run(call)?;
        let write = Write {
            kind: &kind,
            namespace: namespace.unwrap_or_default(),
            subresource: subresource.as_deref(),
            manager: call.manager(),
            dry_run,
            now: &now,
        };
        self.shared.with(|state| match (&call.method, name) {
            (&Method::POST, None) => create(state, call, &write),
            (&Method::PUT, Some(name)) => replace(state, call, &write, name),
            (&Method::PATCH, Some(name)) => change(state, call, &write, name),
            (&Method::DELETE, _) => delete(state, call, &write, name),
            _ => Err(Refused::not_allowed()),
        })
    }
}

fn read(state: &State, call: &Call, kind: &Kind, writes_ago: u64) -> Answered {
    let namespace = call.target.namespace.as_deref();
    let Some(name) = &call.target.name else {
        let range = Range::of(kind, namespace, &call.query, None)?;
        return state.list(&range, &call.query, call.view, writes_ago).map(Reply::ok);
    };
    let live = state.live(kind, namespace.unwrap_or_default(), name)?;
    if call.target.subresource.as_deref() == Some("scale") {
        return Ok(Reply::ok(scale::of(kind, &live)));
    }
    Ok(Reply::ok(shown(kind, &live, &call.query, call.view)))
}

fn create(state: &mut State, call: &Call, write: &Write<'_>) -> Answered {
    let object = decode(call, write.kind)?;
    let warnings = check_fields(state, call, write.kind, &object)?;
    let made = state.create(write, object)?;
    Ok(Reply::Object {
        code: 201,
        object: shown(write.kind, &made, &call.query, call.view),
        warnings,
    })
}

fn replace(state: &mut State, call: &Call, write: &Write<'_>, name: &str) -> Answered {
    let object = decode(call, write.kind)?;
    if write.subresource == Some("scale") {
        return scale::replace(state, write, name, &object).map(Reply::ok);
    }
    let warnings = check_fields(state, call, write.kind, &object)?;
    expect_version(write.kind, &object)?;
    let after = state.update(write, name, |_| Ok(object))?;
    Ok(Reply::Object {
        code: 200,
        object: shown(write.kind, &after, &call.query, call.view),
        warnings,
    })
}

fn change(state: &mut State, call: &Call, write: &Write<'_>, name: &str) -> Answered {
    if call.content_type == patch::APPLY {
        return apply(state, call, write, name);
    }
    let kind = write.kind;
    if write.subresource == Some("scale") {
        let live = state.live(kind, write.namespace, name)?;
        let wanted = patch::patched(kind, &scale::of(kind, &live), &call.content_type, &call.body)?;
        return scale::replace(state, write, name, &wanted).map(Reply::ok);
    }
    let live = state.live(kind, write.namespace, name)?;
    let wanted = patch::patched(kind, &live, &call.content_type, &call.body)?;
    let warnings = check_fields(state, call, kind, &wanted)?;
    let after = state.update(write, name, |_| Ok(wanted))?;
    Ok(Reply::Object { code: 200, object: shown(kind, &after, &call.query, call.view), warnings })
}

fn apply(state: &mut State, call: &Call, write: &Write<'_>, name: &str) -> Answered {
    if call.query.text("fieldManager").is_empty() {
        let problem = "Required value: is required for apply patch";
        return Err(Refused::option("PatchOptions", "fieldManager", problem, "FieldValueRequired"));
    }
    let patch = applied(&call.body)?;
    let (object, created) = state.apply(write, name, patch, call.query.is("force"))?;
    let code = if created { 201 } else { 200 };
    let object = shown(write.kind, &object, &call.query, call.view);
    Ok(Reply::Object { code, object, warnings: Vec::new() })
}

/// Reads what is to be applied: JSON, or YAML as people write it.
fn applied(body: &[u8]) -> Result<Value, Refused> {
    if let Ok(value) = serde_json::from_slice(body) {
        return Ok(value);
    }
    let documents = crate::yaml::parse(body, &crate::yaml::Limits::default());
    let mut documents = documents.map_err(|errors| {
        let errors: Vec<String> = errors.iter().map(ToString::to_string).collect();
        Refused::bad_request(format!("error decoding YAML: {}", errors.join("; ")))
    })?;
    match documents.pop() {
        Some(document) if documents.is_empty() => Ok(document.root.to_json()),
        _ => Err(Refused::bad_request("error decoding YAML: not one document")),
    }
}

fn delete(state: &mut State, call: &Call, write: &Write<'_>, name: Option<&str>) -> Answered {
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
    let dry_run = write.dry_run || options["dryRun"] == json!(["All"]);
    let write = Write { dry_run, ..*write };
    let deletion = Deletion::of(&options)?;
    if let Some(name) = name {
        let gone = state.delete(&write, name, &deletion)?;
        return Ok(Reply::ok(shown(write.kind, &gone, &call.query, call.view)));
    }
    if write.kind.plural == "namespaces" {
        return Err(Refused::not_allowed());
    }
    let namespace = call.target.namespace.as_deref();
    let range = Range::of(write.kind, namespace, &call.query, None)?;
    let selected = state.selected(&range);
    for key in selected {
        state.delete(&Write { namespace: &key.namespace, ..write }, &key.name, &deletion)?;
    }
    state.list(&range, &call.query, call.view, 0).map(Reply::ok)
}

/// Whether the request only asks what would be.
fn dry_run(call: &Call) -> Result<bool, Refused> {
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
fn decode(call: &Call, kind: &Kind) -> Result<Value, Refused> {
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

fn unreadable() -> Refused {
    Refused::bad_request("the options cannot be read: they are no JSON object")
}

/// Fields that the kind does not have: refused, warned of or passed over, as the client wants it.
fn check_fields(
    state: &State,
    call: &Call,
    kind: &Kind,
    object: &Value,
) -> Result<Vec<String>, Refused> {
    let how = call.query.text("fieldValidation");
    if how == "Ignore" {
        return Ok(Vec::new());
    }
    let mut typed = object.clone();
    if let Some(fields) = typed.as_object_mut() {
        fields.entry("apiVersion").or_insert_with(|| json!(kind.api_version()));
        fields.entry("kind").or_insert_with(|| json!(kind.kind));
    }
    let unknown = merge::validate(&state.types, &typed);
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
