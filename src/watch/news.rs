//! What listeners are told: of which objects there is news.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use tokio::sync::Notify;

use crate::domain::name::{ApplicationName, ClusterName};
use crate::domain::object::{ObjectKey, Resource};
use crate::watch::places::ClusterId;

/// Objects of an application that are named one by one; of more, all are.
const NAMED_MAX: usize = 1000;

/// Objects of an application.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Touched {
    /// These.
    Some(HashSet<ObjectKey>),
    /// Any of them.
    All,
}

impl Default for Touched {
    fn default() -> Self {
        Self::Some(HashSet::new())
    }
}

impl Touched {
    /// Adds what others say.
    pub fn add(&mut self, other: Self) {
        match (&mut *self, other) {
            (Self::Some(objects), Self::Some(more)) => {
                objects.extend(more);
                if objects.len() > NAMED_MAX {
                    *self = Self::All;
                }
            }
            _ => *self = Self::All,
        }
    }
}

/// What there is news of.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct News {
    /// Applications whose objects were seen to be created, changed or gone.
    pub applications: HashMap<ApplicationName, Touched>,
    /// Kinds that are refused from now on: perhaps they are served in another version.
    pub refused: HashSet<(ClusterId, Resource)>,
    /// Clusters that fell silent, or serve us again.
    pub clusters: HashSet<ClusterName>,
    /// It may concern every application.
    pub everything: bool,
}

impl News {
    pub(super) fn touch(&mut self, application: ApplicationName, object: ObjectKey) {
        let touched = Touched::Some(HashSet::from([object]));
        self.applications.entry(application).or_default().add(touched);
    }

    pub(super) fn touch_all(&mut self, application: ApplicationName) {
        self.applications.insert(application, Touched::All);
    }

    pub(super) fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    fn add(&mut self, other: &Self) {
        for (application, touched) in &other.applications {
            self.applications.entry(application.clone()).or_default().add(touched.clone());
        }
        self.refused.extend(other.refused.iter().cloned());
        self.clusters.extend(other.clusters.iter().cloned());
        self.everything |= other.everything;
    }
}

/// Hears of news, from [`Watches::listen`](super::Watches::listen) on.
pub struct Listener(Arc<Outbox>);

/// The news that a listener has not taken yet.
#[derive(Default)]
pub(super) struct Outbox {
    news: Mutex<News>,
    bell: Notify,
}

impl Outbox {
    pub(super) fn add(&self, news: &News) {
        self.news.lock().unwrap_or_else(PoisonError::into_inner).add(news);
        self.bell.notify_one();
    }
}

impl Listener {
    pub(super) fn new() -> (Self, Weak<Outbox>) {
        let outbox = Arc::<Outbox>::default();
        let weak = Arc::downgrade(&outbox);
        (Self(outbox), weak)
    }

    /// Waits until there may be news.
    pub async fn heard(&self) {
        self.0.bell.notified().await;
    }

    /// All news since the last call.
    pub fn take(&self) -> News {
        std::mem::take(&mut *self.0.news.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn object(name: usize) -> ObjectKey {
        ObjectKey {
            group: "apps".into(),
            kind: "Deployment".into(),
            namespace: Some("shop".into()),
            name: name.to_string(),
        }
    }

    #[tokio::test]
    async fn news_that_come_together_are_taken_together_and_do_not_grow_without_end() {
        let shop: ApplicationName = "shop".parse().unwrap();
        let (listener, outbox) = Listener::new();
        let outbox = outbox.upgrade().unwrap();
        let tell = |name: usize| {
            let mut news = News::default();
            news.touch(shop.clone(), object(name));
            outbox.add(&news);
        };
        tell(1);
        tell(2);
        tell(1);
        listener.heard().await;
        let both = Touched::Some(HashSet::from([object(1), object(2)]));
        assert_eq!(listener.take().applications[&shop], both);
        assert!(listener.take().is_empty());

        (0..=NAMED_MAX).for_each(tell);
        tell(0);
        assert_eq!(listener.take().applications[&shop], Touched::All);
    }
}
