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
    message: String,
}

impl Fights {
    /// The fights of an application, each with what a person should know of it.
    pub fn told(&self, application: &ApplicationName, now: Timestamp) -> Vec<String> {
        let fights = self.remembered();
        let ours = fights.values().filter(|fight| fight.application == *application);
        let mut told: Vec<_> = ours
            .filter(|fight| fight.heat.is_fight(now))
            .map(|fight| fight.message.clone())
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
        Some(fight.message.clone())
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
            message: String::new(),
        });
        fight.application.clone_from(application);
        let Some(until) = fight.heat.put_back(now) else { return };
        let writer = match before {
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
        fight.message = format!(
            "{object}: put back again and again, for {writer}; it is left alone until {until:.0}: take \
             out of Git what is not Git's to say, or end the other writer"
        );
        tracing::warn!(%application, %cluster, %object, %until, "{}", fight.message);
    }

    fn remembered(&self) -> MutexGuard<'_, HashMap<(ClusterName, ObjectKey), Fight>> {
        self.of.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
