//! Which objects are put back again and again. It is kept in memory: a restart gives both sides a few
//! writes more.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;
use serde_json::Value;

use crate::domain::fields;
use crate::domain::fight::Heat;
use crate::domain::name::{ApplicationName, ClusterName};
use crate::domain::object::ObjectKey;

/// Most objects of which it is remembered how often they were put back; of further ones it is not.
const MAX_REMEMBERED: usize = 10_000;
/// Most fields that are told of a fight.
const MAX_FIELDS: usize = 5;

/// The objects that were put back lately.
#[derive(Default)]
pub struct Fights {
    of: Mutex<HashMap<(ClusterName, ObjectKey), Fight>>,
}

struct Fight {
    heat: Heat,
    application: ApplicationName,
    /// Who else writes it, and what.
    writer: String,
}

impl Fight {
    fn told(&self, object: &ObjectKey, now: Timestamp) -> String {
        let Self { heat, writer, .. } = self;
        let rest = match heat.rests_until(now) {
            Some(until) => format!("it is left alone until {until:.0}"),
            None => "it is put back once more when it is found changed".to_owned(),
        };
        format!(
            "{object}: put back again and again, for {writer}; {rest}: take out of Git what is not \
             Git's to say, or end the other writer"
        )
    }
}

impl Fights {
    /// The fights of an application, each with what a person should know of it.
    pub fn told(&self, application: &ApplicationName, now: Timestamp) -> Vec<String> {
        let fights = self.remembered();
        let ours = fights.iter().filter(|(_, fight)| fight.application == *application);
        let mut told: Vec<_> = ours
            .filter(|(_, fight)| fight.heat.is_fight(now))
            .map(|((_, object), fight)| fight.told(object, now))
            .collect();
        told.sort_unstable();
        told
    }

    /// Why an object is to be left alone now, if it is.
    pub(super) fn rest(
        &self,
        cluster: &ClusterName,
        object: &ObjectKey,
        now: Timestamp,
    ) -> Option<String> {
        let fights = self.remembered();
        let fight = fights.get(&(cluster.clone(), object.clone()))?;
        fight.heat.rests_until(now)?;
        Some(fight.told(object, now))
    }

    /// Forgets the fights of applications that are not kept on that cluster any more.
    pub fn retain(&self, kept: impl Fn(&ApplicationName, &ClusterName) -> bool) {
        self.remembered().retain(|(cluster, _), fight| kept(&fight.application, cluster));
    }

    /// Takes in that an object was put back although no commit changed it; `before` is what it was.
    pub(super) fn put_back(
        &self,
        cluster: &ClusterName,
        application: &ApplicationName,
        object: &ObjectKey,
        before: Option<&Value>,
        paths: &[String],
        now: Timestamp,
    ) {
        let mut fights = self.remembered();
        if fights.len() >= MAX_REMEMBERED {
            fights.retain(|_, fight| !fight.heat.is_cold(now));
        }
        let key = (cluster.clone(), object.clone());
        if fights.len() >= MAX_REMEMBERED && !fights.contains_key(&key) {
            return;
        }
        let fight = fights.entry(key).or_insert_with(|| Fight {
            heat: Heat::default(),
            application: application.clone(),
            writer: String::new(),
        });
        fight.application.clone_from(application);
        let Some(until) = fight.heat.put_back(now) else { return };
        fight.writer = match before {
            None => "somebody deletes it".to_owned(),
            Some(live) => {
                let who = fields::last_writer(live).unwrap_or("somebody");
                let some: Vec<_> = paths.iter().take(MAX_FIELDS).map(String::as_str).collect();
                match &some[..] {
                    [] => format!("`{who}` writes it, too"),
                    some => format!("`{who}` writes {}, too", some.join(", ")),
                }
            }
        };
        tracing::warn!(%application, %cluster, %object, %until, "{}", fight.told(object, now));
    }

    fn remembered(&self) -> MutexGuard<'_, HashMap<(ClusterName, ObjectKey), Fight>> {
        self.of.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use jiff::ToSpan;

    use super::*;

    #[test]
    fn a_fight_is_told_as_it_is_now_while_the_application_is_there() {
        let begun: Timestamp = "2026-01-01T00:00:00Z".parse().unwrap();
        let after = |minutes: i64| begun + minutes.minutes();
        let (shop, main) = ("shop".parse().unwrap(), "main".parse().unwrap());
        let (group, kind) = ("apps".to_owned(), "Deployment".to_owned());
        let web = ObjectKey { group, kind, namespace: Some("shop".into()), name: "web".into() };
        let fights = Fights::default();
        for _ in 0..5 {
            let paths = ["/spec/replicas".to_owned()];
            let live = Value::Null;
            fights.put_back(&main, &shop, &web, Some(&live), &paths, begun);
        }
        let told = |minutes| fights.told(&shop, after(minutes)).join("; ");
        let resting = "`somebody` writes /spec/replicas, too; it is left alone until \
                       2026-01-01T00:01:00Z: take";
        assert!(told(0).contains(resting), "{}", told(0));
        assert_eq!(fights.rest(&main, &web, begun), Some(told(0)));
        assert!(told(2).contains("it is put back once more when it is found changed"));
        assert_eq!(fights.rest(&main, &web, after(2)), None);
        assert_eq!(told(62), "", "nobody went on with it");

        fights.retain(|application, cluster| (application, cluster) == (&shop, &main));
        assert_ne!(told(0), "");
        fights.retain(|_, _| false);
        assert_eq!(told(0), "");
    }
}
