//! What a request asks for, read from its line and headers.

use std::collections::HashMap;

use http::request::Parts;
use http::{HeaderMap, Method, header};
use percent_encoding::percent_decode_str;

use crate::sandbox::refusal::{Granted, Refused};

/// A request for objects.
#[derive(Debug, Clone)]
pub(super) struct Call {
    pub(super) method: Method,
    pub(super) target: Target,
    pub(super) query: Query,
    pub(super) view: View,
    pub(super) content_type: String,
    /// Who asks, by the program: the part of `User-Agent` before the first `/`.
    pub(super) agent: String,
    pub(super) body: Vec<u8>,
}

/// Where a path leads.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Target {
    pub(super) group: String,
    pub(super) version: String,
    /// None: of the cluster, or of all namespaces.
    pub(super) namespace: Option<String>,
    pub(super) plural: String,
    pub(super) name: Option<String>,
    pub(super) subresource: Option<String>,
}

/// The form in which objects are answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum View {
    Whole,
    /// `PartialObjectMetadata`
    Metadata,
    /// With this of each object beside its row.
    Table(Beside),
}

/// What of an object goes with its row in a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Beside {
    Nothing,
    Metadata,
    Whole,
}

/// The segments of a path, decoded.
pub(super) fn segments(path: &str) -> Vec<String> {
    let parts = path.split('/').filter(|part| !part.is_empty());
    parts.map(|part| percent_decode_str(part).decode_utf8_lossy().into_owned()).collect()
}

impl Target {
    /// Where the segments of a path lead, if to objects.
    pub(super) fn of(segments: &[String]) -> Option<Self> {
        let parts: Vec<&str> = segments.iter().map(String::as_str).collect();
        let (group, version, rest) = match &parts[..] {
            ["api", version, rest @ ..] => ("", version, rest),
            ["apis", group, version, rest @ ..] => (*group, version, rest),
            _ => return None,
        };
        let (namespace, rest) = match rest {
            ["namespaces", _, "status" | "finalize"] => (None, rest),
            ["namespaces", namespace, rest @ ..] if !rest.is_empty() => (Some(*namespace), rest),
            rest => (None, rest),
        };
        let (plural, name, subresource) = match rest {
            [plural] => (plural, None, None),
            [plural, name] => (plural, Some(*name), None),
            [plural, name, subresource] => (plural, Some(*name), Some(*subresource)),
            _ => return None,
        };
        let owned = |text: Option<&str>| text.map(str::to_owned);
        Some(Self {
            group: group.to_owned(),
            version: (*version).to_owned(),
            namespace: owned(namespace),
            plural: (*plural).to_owned(),
            name: owned(name),
            subresource: owned(subresource),
        })
    }
}

impl Call {
    /// Reads a request that leads to `target`.
    pub(super) fn new(parts: &Parts, target: Target, body: Vec<u8>) -> Granted<Self> {
        let text = |name| text(&parts.headers, name);
        let agent = text(header::USER_AGENT).split('/').next().unwrap_or_default().to_owned();
        let content_type = text(header::CONTENT_TYPE);
        let query = Query::of(parts.uri.query().unwrap_or_default());
        Ok(Self {
            method: parts.method.clone(),
            target,
            view: View::of(text(header::ACCEPT), query.text("includeObject"))?,
            query,
            content_type: content_type.split(';').next().unwrap_or_default().trim().to_owned(),
            agent: if agent.is_empty() { "unknown".to_owned() } else { agent },
            body,
        })
    }

    /// The field manager: the one that is named, or the program.
    pub(super) fn manager(&self) -> &str {
        match self.query.text("fieldManager") {
            "" => &self.agent,
            named => named,
        }
    }
}

/// A header as text; empty when it is missing.
pub(super) fn text(headers: &HeaderMap, name: header::HeaderName) -> &str {
    headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
}

impl View {
    /// The first form of `Accept` that is known here.
    fn of(accept: &str, include: &str) -> Granted<Self> {
        let beside = match include {
            "None" => Beside::Nothing,
            "Object" => Beside::Whole,
            _ => Beside::Metadata,
        };
        let known = |one: &str| {
            let mut parts = one.split(';').map(str::trim);
            if !matches!(parts.next(), Some("" | "application/json" | "application/*" | "*/*")) {
                return None;
            }
            match parts.find_map(|part| part.strip_prefix("as=")) {
                None => Some(Self::Whole),
                Some("Table") => Some(Self::Table(beside)),
                Some("PartialObjectMetadata" | "PartialObjectMetadataList") => Some(Self::Metadata),
                Some(_) => None,
            }
        };
        accept.split(',').find_map(known).ok_or_else(Refused::not_acceptable)
    }
}

/// The parameters of a request.
#[derive(Debug, Clone, Default)]
pub(super) struct Query(HashMap<String, String>);

impl Query {
    fn of(query: &str) -> Self {
        Self(form_urlencoded::parse(query.as_bytes()).into_owned().collect())
    }

    /// The value of a parameter; empty when it is missing.
    pub(super) fn text(&self, name: &str) -> &str {
        self.0.get(name).map_or("", String::as_str)
    }

    /// Whether a parameter is set and true.
    pub(super) fn is(&self, name: &str) -> bool {
        matches!(self.text(name), "true" | "1")
    }

    /// The number that a parameter holds, if it is one.
    pub(super) fn number(&self, name: &str) -> Option<u64> {
        self.text(name).parse().ok()
    }

    /// `resourceVersion`; none when it is missing, an error when it is no version.
    pub(super) fn version(&self) -> Granted<Option<u64>> {
        let text = self.text("resourceVersion");
        if text.is_empty() {
            return Ok(None);
        }
        text.parse().map(Some).map_err(|_| {
            Refused::bad_request(format!(
                "invalid resource version: resourceVersion: Invalid value: \"{text}\": \
                 strconv.ParseUint: parsing \"{text}\": invalid syntax"
            ))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(path: &str) -> Option<String> {
        let Target { group, version, namespace, plural, name, subresource } =
            Target::of(&segments(path))?;
        let or = |text: Option<String>| text.unwrap_or_else(|| "-".to_owned());
        let (namespace, name, subresource) = (or(namespace), or(name), or(subresource));
        Some(format!("{group} {version} {namespace} {plural} {name} {subresource}"))
    }

    #[test]
    fn paths_lead_where_kubernetes_has_them() {
        let cases = [
            ("/api/v1/pods", Some(" v1 - pods - -")),
            ("/api/v1/namespaces", Some(" v1 - namespaces - -")),
            ("/api/v1/namespaces/shop", Some(" v1 - namespaces shop -")),
            ("/api/v1/namespaces/shop/status", Some(" v1 - namespaces shop status")),
            ("/api/v1/namespaces/shop/pods", Some(" v1 shop pods - -")),
            (
                "/apis/apps/v1/namespaces/shop/deployments/web/scale",
                Some("apps v1 shop deployments web scale"),
            ),
            ("/apis/rbac/v1/clusterroles/system%3Aa", Some("rbac v1 - clusterroles system:a -")),
            ("/apis/apps/v1", None),
            ("/healthz", None),
        ];
        for (path, expected) in cases {
            assert_eq!(target(path).as_deref(), expected, "{path}");
        }
    }

    #[test]
    fn the_first_form_that_is_known_is_answered() {
        let metadata =
            "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1,application/json";
        assert_eq!(View::of(metadata, ""), Ok(View::Metadata));
        assert_eq!(
            View::of("application/vnd.kubernetes.protobuf,application/json", ""),
            Ok(View::Whole)
        );
        assert_eq!(View::of("", ""), Ok(View::Whole));
        assert!(View::of("text/html", "").is_err());
    }
}
