//! Names: newtypes with one constructor each, so that a value of the type is known to be good.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// A name was refused; its text says which rule it breaks.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{value}` is not a valid name: {rule}")]
pub struct InvalidName {
    /// What was given.
    pub value: String,
    /// The rule that it breaks.
    pub rule: &'static str,
}

/// The rule of every name in the configuration: it goes into label values, URLs and file names.
const NAME_RULE: &str =
    "1 to 63 of the characters a-z, 0-9, `-` and `.`, beginning and ending with a letter or digit";

/// The same as a regular expression, for the document of the API.
const NAME_PATTERN: &str = "^[a-z0-9]([a-z0-9.-]{0,61}[a-z0-9])?$";

fn check_name(value: &str) -> Result<(), InvalidName> {
    let bytes = value.as_bytes();
    let plain = |b: &u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    let good = (1..=63).contains(&bytes.len())
        && bytes.iter().all(|b| plain(b) || matches!(b, b'-' | b'.'))
        && bytes.first().is_some_and(plain)
        && bytes.last().is_some_and(plain);
    if good { Ok(()) } else { Err(InvalidName { value: value.to_owned(), rule: NAME_RULE }) }
}

macro_rules! name {
    ($(#[$doc:meta])* $type:ident) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
        #[serde(try_from = "String", into = "String")]
        #[schemars(extend("pattern" = NAME_PATTERN))]
        pub struct $type(Arc<str>);

        impl $type {
            /// The name as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $type {
            type Err = InvalidName;

            fn from_str(value: &str) -> Result<Self, InvalidName> {
                check_name(value)?;
                Ok(Self(value.into()))
            }
        }

        impl TryFrom<String> for $type {
            type Error = InvalidName;

            fn try_from(value: String) -> Result<Self, InvalidName> {
                value.parse()
            }
        }

        impl From<$type> for String {
            fn from(name: $type) -> String {
                name.0.as_ref().to_owned()
            }
        }

        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Debug::fmt(&*self.0, f)
            }
        }
    };
}

name!(
    /// Names an application: a path at a revision of a repository, kept applied to a cluster.
    ApplicationName
);
name!(
    /// Names a repository of the configuration.
    RepositoryName
);
name!(
    /// Names a cluster of the configuration.
    ClusterName
);
name!(
    /// Names a receiver: the last segment of its webhook URL.
    ReceiverName
);
name!(
    /// Names this installation on the objects that it applies (`server.instance`).
    InstanceName
);

macro_rules! id {
    ($(#[$doc:meta])* $type:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
        #[serde(transparent)]
        pub struct $type(Uuid);

        impl $type {
            /// An id made elsewhere, to be ordered by time it must be a `UUIDv7`.
            pub const fn from_uuid(id: Uuid) -> Self {
                Self(id)
            }
        }

        impl FromStr for $type {
            type Err = uuid::Error;

            fn from_str(value: &str) -> Result<Self, uuid::Error> {
                value.parse().map(Self)
            }
        }

        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

id!(
    /// Identifies a sync. Ids are `UUIDv7`, so that their order is the order of their making.
    SyncId
);
id!(
    /// Identifies a delivery; not the id that the Git host gave it.
    DeliveryId
);

id!(
    /// Identifies this installation among all that may apply to a cluster. Its store makes it once.
    InstallationId
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_label_values() {
        for good in ["a", "shop", "shop-2", "team.shop", "0"] {
            assert_eq!(good.parse::<ApplicationName>().unwrap().as_str(), good);
        }
        for bad in ["", "Shop", "-a", "a-", "a_b", "a/b", "ü", &"a".repeat(64)] {
            assert!(bad.parse::<ApplicationName>().is_err(), "{bad} was taken");
        }
    }
}
