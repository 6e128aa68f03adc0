//! Whose an object on a cluster is: this installation's, another one's, or nobody's.

use serde_json::Value;

use crate::domain::fields;
use crate::domain::name::{ApplicationName, InstallationId};
use crate::domain::object::{INSTALLATION_ANNOTATION, INSTANCE_ANNOTATION};

/// What this installation writes on objects, and what it wrote before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Installation {
    /// What tells it from all others: its store has made it once.
    pub id: InstallationId,
    /// `server.instance` as it is now.
    pub instance: String,
    /// The names that it had before.
    pub former: Vec<String>,
}

/// Whose a live object is, as far as its marks say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Marks {
    /// This installation's: it has its id.
    Ours,
    /// It has a name of ours and no id: it was applied before there were ids, or by another
    /// installation of that name. It is ours if an inventory of ours has it, by its uid.
    OfOurName,
    /// Another installation's.
    Theirs,
    /// No installation's.
    Nobodys,
}

impl Installation {
    /// Reads the marks of a live object.
    pub fn marks(&self, live: &Value) -> Marks {
        let annotations = &live["metadata"]["annotations"];
        if let Some(id) = annotations[INSTALLATION_ANNOTATION].as_str() {
            return if id == self.id.to_string() { Marks::Ours } else { Marks::Theirs };
        }
        let Some(instance) = annotations[INSTANCE_ANNOTATION].as_str() else {
            return Marks::Nobodys;
        };
        if instance == self.instance && !fields::is_applied(live, None) {
            // Whoever copied the annotation did not copy who manages the fields.
            return Marks::Nobodys;
        }
        let known = instance == self.instance || self.former.iter().any(|name| name == instance);
        if known { Marks::OfOurName } else { Marks::Theirs }
    }

    /// Whether an application of ours applied a live object, as far as its marks say.
    pub fn may_own(&self, live: &Value) -> bool {
        fields::is_applied(live, None) && matches!(self.marks(live), Marks::Ours | Marks::OfOurName)
    }

    /// Whether a live object is that of an application, whose inventory has it by `uid`.
    pub fn owns(&self, live: &Value, application: &ApplicationName, uid: Option<&str>) -> bool {
        fields::is_applied(live, Some(application.as_str()))
            && match self.marks(live) {
                Marks::Ours => true,
                Marks::OfOurName => uid.is_some_and(|uid| live["metadata"]["uid"] == uid),
                Marks::Theirs | Marks::Nobodys => false,
            }
    }
}

/// What would come of an apply, without the id where the live object has none: that comes with the next
/// write which has another reason, and is no difference by itself.
pub fn without_new_id(mut wanted: Value, live: &Value) -> Value {
    if !live["metadata"]["annotations"][INSTALLATION_ANNOTATION].is_null() {
        return wanted;
    }
    if let Some(annotations) =
        wanted.pointer_mut("/metadata/annotations").and_then(Value::as_object_mut)
    {
        annotations.shift_remove(INSTALLATION_ANNOTATION);
    }
    fields::disown_annotation(&mut wanted, INSTALLATION_ANNOTATION);
    wanted
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const ID: &str = "01a209e4-db44-70d0-b91b-6f65201e4671";
    const OTHER: &str = "01a209e4-e79b-71c2-92da-330b4772b233";

    fn installation() -> Installation {
        let (instance, former) = ("new".into(), vec!["former".into()]);
        Installation { id: ID.parse().unwrap(), instance, former }
    }

    fn live(instance: Option<&str>, id: Option<&str>) -> Value {
        json!({"metadata": {
            "name": "web", "uid": "u1",
            "labels": {"headstay.dev/application": "shop"},
            "annotations": {"headstay.dev/instance": instance, "headstay.dev/installation": id},
            "managedFields": [{"manager": "headstay", "operation": "Apply", "fieldsV1": {}}],
        }})
    }

    #[test]
    fn the_id_decides_whose_an_object_is_and_without_one_the_name_and_the_inventory_do() {
        let shop = "shop".parse().unwrap();
        for (instance, id, marks, owned) in [
            (Some("new"), Some(ID), Marks::Ours, [true, true]),
            (Some("elsewhere"), Some(ID), Marks::Ours, [true, true]),
            (Some("new"), Some(OTHER), Marks::Theirs, [false, false]),
            (Some("new"), None, Marks::OfOurName, [true, false]),
            (Some("former"), None, Marks::OfOurName, [true, false]),
            (Some("elsewhere"), None, Marks::Theirs, [false, false]),
            (None, None, Marks::Nobodys, [false, false]),
        ] {
            let live = live(instance, id);
            assert_eq!(installation().marks(&live), marks, "{instance:?} {id:?}");
            let owns = [Some("u1"), None].map(|uid| installation().owns(&live, &shop, uid));
            assert_eq!(owns, owned, "{instance:?} {id:?}");
        }
        assert!(!installation().owns(&live(None, Some(ID)), &"blog".parse().unwrap(), Some("u1")));
    }

    #[test]
    fn a_name_that_somebody_copied_makes_no_owner() {
        let mut copied = live(Some("new"), None);
        copied["metadata"]["managedFields"][0]["manager"] = json!("kubectl");
        assert_eq!(installation().marks(&copied), Marks::Nobodys);
        assert!(!installation().may_own(&copied));
    }

    #[test]
    fn an_id_is_no_difference_where_there_was_none() {
        let ours = |fields: Value| {
            json!([{"manager": "headstay", "operation": "Apply", "fieldsV1": {"f:metadata":
                {"f:annotations": fields}}}])
        };
        let (named, both) = (
            json!({"f:headstay.dev/instance": {}}),
            json!({"f:headstay.dev/instance": {}, "f:headstay.dev/installation": {}}),
        );
        let mut wanted = live(Some("new"), Some(ID));
        wanted["metadata"]["managedFields"] = ours(both);
        let mut before = wanted.clone();
        let annotations = before["metadata"]["annotations"].as_object_mut().unwrap();
        annotations.shift_remove("headstay.dev/installation");
        before["metadata"]["managedFields"] = ours(named);

        assert_eq!(without_new_id(wanted.clone(), &before), before);
        let theirs = live(Some("new"), Some(OTHER));
        assert_eq!(without_new_id(wanted.clone(), &theirs), wanted);
    }
}
