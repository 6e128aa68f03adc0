//! Paths of the Kubernetes API.

use form_urlencoded::Serializer;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use crate::cluster::error::ClusterError;
use crate::domain::object::{ObjectKey, Resource};

/// What need not be escaped in a segment; names of RBAC objects have colons.
const SEGMENT: &AsciiSet =
    &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~').remove(b':');

/// The path of all objects of a kind: of a namespace, of all of them (none), of the cluster.
pub(super) fn collection(resource: &Resource, namespace: Option<&str>) -> String {
    let Resource { group, version, kind: _, plural, namespaced } = resource;
    let root =
        if group.is_empty() { "/api".to_owned() } else { format!("/apis/{}", segment(group)) };
    let version = segment(version);
    let plural = segment(plural);
    match namespace.filter(|_| *namespaced) {
        Some(namespace) => format!("{root}/{version}/namespaces/{}/{plural}", segment(namespace)),
        None => format!("{root}/{version}/{plural}"),
    }
}

/// The path of one object. A name that would lead elsewhere is an error.
pub(super) fn object(resource: &Resource, key: &ObjectKey) -> Result<String, ClusterError> {
    let invalid = |message: &str| ClusterError::Unnameable {
        object: Box::new(key.clone()),
        message: message.to_owned(),
    };
    let namespace = key.namespace.as_deref();
    if resource.namespaced && namespace.is_none() {
        return Err(invalid("it has no namespace, and its kind needs one"));
    }
    if namespace.into_iter().chain([key.name.as_str()]).any(|name| matches!(name, "" | "." | ".."))
    {
        return Err(invalid("its name or namespace is no name"));
    }
    Ok(format!("{}/{}", collection(resource, namespace), segment(&key.name)))
}

/// Adds parameters to a path.
pub(super) fn with_query(path: &str, parameters: &[(&str, &str)]) -> String {
    if parameters.is_empty() {
        return path.to_owned();
    }
    let mut query = Serializer::for_suffix(format!("{path}?"), path.len() + 1);
    query.extend_pairs(parameters);
    query.finish()
}

fn segment(text: &str) -> String {
    utf8_percent_encode(text, SEGMENT).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resource(group: &str, plural: &str, namespaced: bool) -> Resource {
        Resource {
            group: group.into(),
            version: "v1".into(),
            kind: "Kind".into(),
            plural: plural.into(),
            namespaced,
        }
    }

    fn key(namespace: Option<&str>, name: &str) -> ObjectKey {
        ObjectKey {
            group: String::new(),
            kind: "Kind".into(),
            namespace: namespace.map(Into::into),
            name: name.into(),
        }
    }

    #[test]
    fn objects_have_the_paths_of_the_api() {
        let cases = [
            (
                resource("", "pods", true),
                key(Some("shop"), "web"),
                "/api/v1/namespaces/shop/pods/web",
            ),
            (resource("", "namespaces", false), key(None, "shop"), "/api/v1/namespaces/shop"),
            (
                resource("rbac.authorization.k8s.io", "clusterroles", false),
                key(Some("ignored"), "system:a"),
                "/apis/rbac.authorization.k8s.io/v1/clusterroles/system:a",
            ),
            (
                resource("", "pods", true),
                key(Some("a"), "b/../c?d"),
                "/api/v1/namespaces/a/pods/b%2F..%2Fc%3Fd",
            ),
        ];
        for (resource, key, path) in cases {
            assert_eq!(object(&resource, &key).unwrap(), path);
        }
        assert_eq!(
            collection(&resource("apps", "deployments", true), None),
            "/apis/apps/v1/deployments"
        );
    }

    #[test]
    fn names_that_lead_elsewhere_are_refused() {
        let pods = resource("", "pods", true);
        for bad in
            [key(None, "web"), key(Some("a"), ""), key(Some(".."), "web"), key(Some("a"), ".")]
        {
            assert!(object(&pods, &bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn parameters_are_escaped() {
        assert_eq!(with_query("/a", &[]), "/a");
        assert_eq!(with_query("/a", &[("labelSelector", "x=y,z")]), "/a?labelSelector=x%3Dy%2Cz");
    }
}
