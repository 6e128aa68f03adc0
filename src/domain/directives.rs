//! What annotations on an object ask of Headstay.

use serde_json::Value;

/// `disabled`: never prune the object.
pub const PRUNE_ANNOTATION: &str = "headstay.dev/prune";
/// `enabled`: recreate the object where an immutable field changes.
pub const FORCE_ANNOTATION: &str = "headstay.dev/force";
/// `merge`, `if-not-present` or `ignore`.
pub const APPLY_ANNOTATION: &str = "headstay.dev/apply";
/// `ignore`: leave drift of the object alone.
pub const DRIFT_ANNOTATION: &str = "headstay.dev/drift";
/// An integer: lower waves are applied first.
pub const WAVE_ANNOTATION: &str = "headstay.dev/wave";
/// Argo CD's name for the wave.
const ARGO_WAVE_ANNOTATION: &str = "argocd.argoproj.io/sync-wave";
/// Argo CD's list of options, of which `Prune=false` is honoured.
const ARGO_OPTIONS_ANNOTATION: &str = "argocd.argoproj.io/sync-options";
const ARGO_KEEPS: &str = "Prune=false";

/// What the annotations of one object ask for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Directives {
    /// Never prune it.
    pub prune_disabled: bool,
    /// Recreate it where an immutable field changes.
    pub force: bool,
    /// How it is applied.
    pub apply: ApplyMode,
    /// Leave drift of it alone.
    pub drift_ignored: bool,
    /// Lower waves are applied first.
    pub wave: i32,
}

/// How an object is applied.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ApplyMode {
    /// Git wins.
    #[default]
    Full,
    /// Without force and without take-over; conflicts are reported.
    Merge,
    /// It is created, and then left alone.
    IfNotPresent,
    /// It is left alone.
    Ignore,
}

/// An annotation has a value that means nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the annotation `{key}` is `{value}`; expected {expected}")]
pub struct InvalidDirective {
    /// The annotation.
    pub key: &'static str,
    /// Its value.
    pub value: String,
    /// What it can be.
    pub expected: &'static str,
}

/// Reads the annotations of an object; the first that makes no sense is the error.
pub fn read(object: &Value) -> Result<Directives, InvalidDirective> {
    let annotation = |key: &str| object.pointer("/metadata/annotations")?.get(key)?.as_str();
    let prune_disabled = flag(annotation, PRUNE_ANNOTATION, "disabled", "`disabled`, or none")?;
    Ok(Directives {
        prune_disabled: prune_disabled || argo_keeps(annotation),
        force: flag(annotation, FORCE_ANNOTATION, "enabled", "`enabled`, or none")?,
        apply: apply_mode(annotation(APPLY_ANNOTATION))?,
        drift_ignored: flag(annotation, DRIFT_ANNOTATION, "ignore", "`ignore`, or none")?,
        wave: match wave(annotation, WAVE_ANNOTATION)? {
            Some(wave) => wave,
            None => wave(annotation, ARGO_WAVE_ANNOTATION)?.unwrap_or_default(),
        },
    })
}

/// Why the annotations of a live object keep it from being pruned; none: they do not. What is said
/// there without a meaning keeps it as well: whoever wrote it thought of something.
pub fn keeps_from_prune(object: &Value) -> Option<String> {
    let annotation = |key: &str| object.pointer("/metadata/annotations")?.get(key)?.as_str();
    match annotation(PRUNE_ANNOTATION) {
        Some(value) => Some(format!("its annotation {PRUNE_ANNOTATION} is `{value}`")),
        None if argo_keeps(annotation) => {
            Some(format!("its annotation {ARGO_OPTIONS_ANNOTATION} says `{ARGO_KEEPS}`"))
        }
        None => None,
    }
}

fn argo_keeps<'a>(annotation: impl Fn(&str) -> Option<&'a str>) -> bool {
    annotation(ARGO_OPTIONS_ANNOTATION)
        .is_some_and(|options| options.split(',').any(|option| option.trim() == ARGO_KEEPS))
}

fn flag<'a>(
    annotation: impl Fn(&str) -> Option<&'a str>,
    key: &'static str,
    set: &str,
    expected: &'static str,
) -> Result<bool, InvalidDirective> {
    match annotation(key) {
        None => Ok(false),
        Some(value) if value == set => Ok(true),
        Some(value) => Err(InvalidDirective { key, value: value.to_owned(), expected }),
    }
}

fn apply_mode(value: Option<&str>) -> Result<ApplyMode, InvalidDirective> {
    match value {
        None => Ok(ApplyMode::Full),
        Some("merge") => Ok(ApplyMode::Merge),
        Some("if-not-present") => Ok(ApplyMode::IfNotPresent),
        Some("ignore") => Ok(ApplyMode::Ignore),
        Some(value) => Err(InvalidDirective {
            key: APPLY_ANNOTATION,
            value: value.to_owned(),
            expected: "`merge`, `if-not-present` or `ignore`, or none",
        }),
    }
}

fn wave<'a>(
    annotation: impl Fn(&str) -> Option<&'a str>,
    key: &'static str,
) -> Result<Option<i32>, InvalidDirective> {
    let Some(value) = annotation(key) else { return Ok(None) };
    let invalid = |_| InvalidDirective {
        key,
        value: value.to_owned(),
        expected: "an integer of 32 bits, quoted",
    };
    value.trim().parse().map(Some).map_err(invalid)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn annotated(key: &str, value: &str) -> Result<Directives, InvalidDirective> {
        read(&json!({"metadata": {"annotations": {key: value}}}))
    }

    #[test]
    fn annotations_ask_for_what_they_say() {
        let none = Directives::default();
        for (key, value, expected) in [
            (PRUNE_ANNOTATION, "disabled", Directives { prune_disabled: true, ..none }),
            (FORCE_ANNOTATION, "enabled", Directives { force: true, ..none }),
            (APPLY_ANNOTATION, "merge", Directives { apply: ApplyMode::Merge, ..none }),
            (DRIFT_ANNOTATION, "ignore", Directives { drift_ignored: true, ..none }),
            (WAVE_ANNOTATION, "-5", Directives { wave: -5, ..none }),
            (ARGO_WAVE_ANNOTATION, "2", Directives { wave: 2, ..none }),
            (
                ARGO_OPTIONS_ANNOTATION,
                "Validate=false, Prune=false",
                Directives { prune_disabled: true, ..none },
            ),
            (ARGO_OPTIONS_ANNOTATION, "Prune=confirm", none),
        ] {
            assert_eq!(annotated(key, value), Ok(expected), "{key}: {value}");
        }
        assert_eq!(read(&json!({})), Ok(none));
    }

    #[test]
    fn a_value_that_means_nothing_is_refused() {
        for (key, value) in [
            (PRUNE_ANNOTATION, "Disabled"),
            (FORCE_ANNOTATION, "true"),
            (APPLY_ANNOTATION, "replace"),
            (DRIFT_ANNOTATION, "heal"),
            (WAVE_ANNOTATION, "first"),
            (ARGO_WAVE_ANNOTATION, "1.5"),
        ] {
            assert_eq!(annotated(key, value).map_err(|e| e.key), Err(key), "{value}");
        }
    }
}
