use std::collections::HashSet;

use super::*;
use crate::domain::health::Health;
use crate::watch::observations::Observation;

pub(super) fn scope(generation: u64, namespace: Option<&str>) -> Scope {
    Scope {
        cluster: ClusterId { name: "main".parse().unwrap(), generation },
        resource: Resource {
            group: String::new(),
            version: "v1".to_owned(),
            kind: "Service".to_owned(),
            plural: "services".to_owned(),
            namespaced: true,
        },
        namespace: namespace.map(str::to_owned),
    }
}

/// A watch of a scope that a test speaks for.
pub(super) fn begin(watches: &Watches, scope: &Scope) -> Sink {
    let mut state = watches.0.lock();
    let sink = watches.sink(&mut state, scope);
    state.start(scope, std::future::pending());
    sink
}

pub(super) fn web() -> ObjectKey {
    ObjectKey {
        group: String::new(),
        kind: "Service".into(),
        namespace: Some("shop".into()),
        name: "web".into(),
    }
}

pub(super) fn of(application: &str) -> Observation {
    Observation {
        uid: "u".into(),
        resource_version: "1".into(),
        generation: None,
        health: Health::healthy(),
        pods: None,
        application: Some(application.parse().unwrap()),
    }
}

#[tokio::test]
async fn a_watch_that_nobody_needs_for_a_round_ends_and_what_it_saw_is_forgotten() {
    let watches = Watches::default();
    let (old, new) = (scope(1, None), scope(2, Some("shop")));
    let state = || watches.0.lock();
    for (scope, broad) in [(&old, scope(1, None)), (&new, scope(2, None))] {
        state().narrow.insert((broad.cluster, broad.resource));
        let sink = begin(&watches, scope);
        sink.put(Seen::Complete).unwrap();
    }
    watches.retire();
    assert_eq!(watches.find(&old, &web()), Found::Absent, "both were just needed");
    state().running.get_mut(&new).unwrap().needed = true;
    watches.retire();
    assert_eq!(watches.find(&old, &web()), Found::NotListed);
    assert_eq!(watches.find(&new, &web()), Found::Absent);
    let narrow: Vec<_> = state().narrow.iter().map(|(cluster, _)| cluster.generation).collect();
    assert_eq!(narrow, [2]);
}

#[tokio::test]
async fn what_an_earlier_watch_of_a_scope_still_says_is_not_heard() {
    let watches = Watches::default();
    let earlier = begin(&watches, &scope(1, None));
    let now = begin(&watches, &scope(1, None));
    now.put(Seen::Complete).unwrap();
    assert_eq!(earlier.put(Seen::Applied(web(), of("shop"))), None);
    assert_eq!(watches.find(&scope(1, None), &web()), Found::Absent);
}

#[tokio::test]
async fn who_listens_is_told_which_objects_of_which_application_there_is_news_of() {
    let watches = Watches::default();
    let listener = watches.listen();
    let touched = |applications: &[&str], touched: &Touched| {
        let applications = applications.iter().map(|name| name.parse().unwrap());
        let applications = applications.map(|name| (name, touched.clone())).collect();
        News { applications, ..News::default() }
    };
    let named = Touched::Some(HashSet::from([web()]));
    let sink = begin(&watches, &scope(1, None));
    for (seen, news) in [
        (Seen::Listed(web(), of("shop")), News::default()),
        (Seen::Complete, touched(&["shop"], &Touched::All)),
        (Seen::Applied(web(), of("shop")), touched(&["shop"], &named)),
        (Seen::Applied(web(), of("blog")), touched(&["blog", "shop"], &named)),
        (Seen::Deleted(web(), None), touched(&["blog"], &named)),
        (Seen::Deleted(web(), None), News::default()),
    ] {
        sink.put(seen).unwrap();
        assert_eq!(listener.take(), news);
    }
    sink.put(Seen::Forbidden).unwrap();
    assert!(listener.take().everything);
    assert_eq!(sink.put(Seen::Complete), None, "the watch is narrowed");
}

#[tokio::test]
async fn what_went_before_its_work_was_done_is_remembered_until_another_one_is_there() {
    let watches = Watches::default();
    let sink = begin(&watches, &scope(1, None));
    sink.put(Seen::Complete).unwrap();
    let found = || watches.find(&scope(1, None), &web());
    for (cut_short, gone) in
        [(Some("u".to_owned()), Found::CutShort("u".to_owned())), (None, Found::Absent)]
    {
        sink.put(Seen::Applied(web(), of("shop"))).unwrap();
        assert_eq!(found(), Found::Live(of("shop")));
        sink.put(Seen::Deleted(web(), cut_short)).unwrap();
        assert_eq!(found(), gone);
    }
}
