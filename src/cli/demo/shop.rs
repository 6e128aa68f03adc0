//! The shop: what the repository of the demo holds, and how it changes during the story.

use std::collections::BTreeMap;

/// The application that customers never see.
pub(super) const STAGING: &str = "staging";
/// The application that matters.
pub(super) const PRODUCTION: &str = "production";
/// Both, in the order in which they are shown.
pub(super) const APPLICATIONS: [&str; 2] = [STAGING, PRODUCTION];
/// The ConfigMap that says how customers are greeted, and the Service before the web servers.
pub(super) const SETTINGS: &str = "settings";
/// The Service before the web servers.
pub(super) const WEB: &str = "web";
/// How production greets from its first commit on.
pub(super) const FIRST_GREETING: &str = "Welcome";
/// How production greets from the second commit on.
pub(super) const GREETING: &str = "Good morning";

/// Where the manifests of the shop name what a cluster has only once.
const GROUP: &str = "shop.example.org";

macro_rules! files {
    ($($path:literal),* $(,)?) => {
        [$(($path, include_str!(concat!("shop/", $path)))),*]
    };
}

const FILES: [(&str, &str); 12] = files![
    "README.md",
    "apps/production/autumn.yaml",
    "apps/production/namespace.yaml",
    "apps/production/orders.yaml",
    "apps/production/payments.yaml",
    "apps/production/promotions.yaml",
    "apps/production/settings.yaml",
    "apps/production/web.yaml",
    "apps/staging/namespace.yaml",
    "apps/staging/payments.yaml",
    "apps/staging/settings.yaml",
    "apps/staging/web.yaml",
];

/// A change of one file: a text in it that is replaced by another.
#[derive(Debug, Clone, Copy)]
pub(super) struct Edit {
    /// The file.
    pub(super) path: &'static str,
    from: &'static str,
    to: &'static str,
}

const PRODUCTION_SETTINGS: &str = "apps/production/settings.yaml";

/// What the second commit says.
pub(super) const GREET_POLITELY: [Edit; 2] = [
    Edit {
        path: PRODUCTION_SETTINGS,
        from: "  greeting: Welcome\n",
        to: "  greeting: Good morning\n",
    },
    Edit { path: "apps/production/web.yaml", from: "  replicas: 2\n", to: "  replicas: 3\n" },
];
/// What the broken commit says: a key twice.
pub(super) const SELL_IN_DOLLARS: [Edit; 1] = [Edit {
    path: PRODUCTION_SETTINGS,
    from: "  currency: EUR\n",
    to: "  currency: EUR\n  currency: USD\n",
}];
/// What the commit after it says.
pub(super) const SELL_IN_DOLLARS_ONLY: [Edit; 1] = [Edit {
    path: PRODUCTION_SETTINGS,
    from: "  currency: EUR\n  currency: USD\n",
    to: "  currency: USD\n",
}];
/// The file that the last commit deletes.
pub(super) const AUTUMN: &str = "apps/production/autumn.yaml";

impl Edit {
    /// The lines that go.
    pub(super) fn removed(&self) -> impl Iterator<Item = &'static str> {
        self.from.lines().filter(|line| !self.to.lines().any(|other| other == *line))
    }

    /// The lines that come.
    pub(super) fn added(&self) -> impl Iterator<Item = &'static str> {
        self.to.lines().filter(|line| !self.from.lines().any(|other| other == *line))
    }
}

/// The files of the shop as they are now.
pub(super) struct Shop {
    suffix: String,
    files: BTreeMap<&'static str, String>,
}

impl Shop {
    /// The shop of the first commit. `suffix` is appended to what a cluster has only once, so that
    /// a shop can be beside others.
    pub(super) fn new(suffix: &str) -> Self {
        let mut shop = Self { suffix: suffix.to_owned(), files: BTreeMap::new() };
        let group = format!("shop{suffix}.example.org");
        for (path, text) in FILES {
            let mut text = text.replace(GROUP, &group);
            for application in APPLICATIONS {
                let namespace = shop.namespace(application);
                text = text.replace(&format!("shop-{application}"), &namespace);
            }
            shop.files.insert(path, text);
        }
        shop
    }

    /// The namespace of an application.
    pub(super) fn namespace(&self, application: &str) -> String {
        format!("shop-{application}{}", self.suffix)
    }

    /// Every path with its text.
    pub(super) fn files(&self) -> impl Iterator<Item = (&'static str, &str)> {
        self.files.iter().map(|(path, text)| (*path, text.as_str()))
    }

    /// Makes changes. What they replace must be there.
    pub(super) fn edit(&mut self, edits: &[Edit]) {
        for edit in edits {
            if let Some(text) = self.files.get_mut(edit.path) {
                *text = text.replacen(edit.from, edit.to, 1);
            }
        }
    }

    /// Deletes a file.
    pub(super) fn delete(&mut self, path: &str) {
        self.files.remove(path);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_edit_of_the_story_changes_its_file() {
        let mut shop = Shop::new("");
        for edits in [&GREET_POLITELY[..], &SELL_IN_DOLLARS, &SELL_IN_DOLLARS_ONLY] {
            for edit in edits {
                let before = shop.files[edit.path].clone();
                shop.edit(&[*edit]);
                assert_ne!(shop.files[edit.path], before, "{edit:?}");
            }
        }
        assert!(shop.files[PRODUCTION_SETTINGS].contains(GREETING));
        assert!(shop.files.contains_key(AUTUMN));
    }

    #[test]
    fn an_edit_shows_only_the_lines_that_differ() {
        let [edit] = SELL_IN_DOLLARS;
        assert_eq!(edit.removed().count(), 0);
        assert_eq!(edit.added().collect::<Vec<_>>(), ["  currency: USD"]);
    }

    #[test]
    fn a_suffix_is_on_everything_that_a_cluster_has_only_once() {
        let shop = Shop::new("-x7k2");
        let text = |path: &str| shop.files[path].as_str();
        assert!(text("apps/staging/namespace.yaml").contains("name: shop-staging-x7k2\n"));
        assert!(text("apps/production/namespace.yaml").contains("name: shop-production-x7k2\n"));
        let definition = text("apps/production/promotions.yaml");
        assert!(definition.contains("name: promotions.shop-x7k2.example.org\n"));
        assert!(definition.contains("group: shop-x7k2.example.org\n"));
        assert!(text(AUTUMN).starts_with("apiVersion: shop-x7k2.example.org/v1\n"));
        assert!(!shop.files().any(|(_, text)| text.contains(GROUP)));
    }
}
