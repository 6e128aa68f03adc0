//! Objects that take others along when they are deleted: whatever is in a namespace, and whatever is of
//! the kind that a definition defines.

use serde_json::Value;

use crate::domain::object::{GroupKind, ObjectKey};

/// What goes with an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Home {
    /// What is in this namespace.
    Namespace(String),
    /// What is of this kind.
    Definition(GroupKind),
}

impl Home {
    /// What goes with a live object; none: nothing that Git could name.
    pub fn of(key: &ObjectKey, live: &Value) -> Option<Self> {
        if key.is("", "Namespace") {
            return Some(Self::Namespace(key.name.clone()));
        }
        if !key.is("apiextensions.k8s.io", "CustomResourceDefinition") {
            return None;
        }
        let text = |path: &str| live.pointer(path).and_then(Value::as_str).map(str::to_owned);
        let (group, kind) = (text("/spec/group")?, text("/spec/names/kind")?);
        Some(Self::Definition(GroupKind { group, kind }))
    }

    /// Whether an object goes with it.
    pub fn holds(&self, object: &ObjectKey) -> bool {
        match self {
            Self::Namespace(name) => object.namespace.as_ref() == Some(name),
            Self::Definition(kind) => object.group_kind() == *kind,
        }
    }
}
