//! Makes a configuration of files that were read: structure first, then values, then what the
//! parts say of each other. What is sound goes on to the next step, so that everything that is
//! wrong is reported at once.

mod application;
mod cluster;
mod receiver;
mod repository;
mod server;

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::de::DeserializeOwned;

use crate::config::build::application::Targets;
use crate::config::problem::{ConfigErrors, Place, Problem, Problems};
use crate::config::read::SourceFile;
use crate::config::rule::Surroundings;
use crate::config::schema::json_schema;
use crate::config::{Config, shape};
use crate::domain::quoted::Quoted;
use crate::yaml::{self, Document};

/// Validates the files as one configuration: their lists are joined; `server` and `store` may be
/// given once. Pure, but for what `around` does.
pub fn build(files: &[SourceFile], around: &dyn Surroundings) -> Result<Config, ConfigErrors> {
    let mut problems = Problems::default();
    let parsed: Vec<(&str, Document)> =
        files.iter().flat_map(|file| parse(file, &mut problems)).collect();
    let documents: Vec<Place<'_>> =
        parsed.iter().map(|(file, document)| Place::root(file, &document.root)).collect();
    let schema = json_schema();
    for document in &documents {
        for problem in shape::check(&schema, document, around) {
            problems.refuse(problem);
        }
    }
    // Where a file or a list could not be read, a name that is not found may stand in there.
    let config = (!problems.has_of_whole_parts())
        .then(|| assemble(&Parts { documents }, around, &mut problems));
    problems.into_result(config)
}

fn parse<'a>(file: &'a SourceFile, problems: &mut Problems) -> Vec<(&'a str, Document)> {
    let whole = |line, message: String| Problem {
        file: file.name.clone(),
        line,
        key: String::new(),
        message,
    };
    match yaml::parse(&file.content) {
        Ok(documents) if documents.is_empty() => {
            problems
                .report(whole(None, "holds no configuration, only comments or nothing".to_owned()));
            Vec::new()
        }
        Ok(documents) => documents.into_iter().map(|d| (file.name.as_str(), d)).collect(),
        Err(errors) => {
            for error in errors {
                problems.report(whole(Some(error.line), error.message));
            }
            Vec::new()
        }
    }
}

/// The sound parts, held against each other. Of any use only where there are no problems.
fn assemble(parts: &Parts<'_>, around: &dyn Surroundings, problems: &mut Problems) -> Config {
    let (_, store) = parts.only("store", problems);
    let store = server::store(store);
    let (place, server) = parts.only("server", problems);
    let server = server::server(server, &store, place.as_ref(), around, problems);

    parts.names("receivers", problems);
    let receivers = parts.list("receivers", problems, receiver::receiver);
    let repository_names = parts.names("repositories", problems);
    let repositories = parts.list("repositories", problems, repository::repository);
    let cluster_names = parts.names("clusters", problems);
    let mut clusters = parts.list("clusters", problems, |raw, place, problems| {
        cluster::cluster(raw, place, around, problems)
    });
    if cluster_names.is_empty() {
        clusters.extend(cluster::default_cluster());
    }
    parts.names("applications", problems);
    let targets = Targets::new(&repository_names, &cluster_names);
    let applications = parts.list("applications", problems, |raw, place, problems| {
        application::application(raw, &targets, place, problems)
    });
    Config {
        server,
        store,
        receivers: by_name(receivers, |receiver| receiver.name.clone()),
        clusters: by_name(clusters, |cluster| cluster.name.clone()),
        repositories: by_name(repositories, |repository| repository.name.clone()),
        applications: by_name(applications, |application| application.name.clone()),
    }
}

fn by_name<N: Ord, T>(items: Vec<T>, name: impl Fn(&T) -> N) -> BTreeMap<N, Arc<T>> {
    items.into_iter().map(|item| (name(&item), Arc::new(item))).collect()
}

/// The documents of all files.
struct Parts<'a> {
    documents: Vec<Place<'a>>,
}

impl<'a> Parts<'a> {
    /// What may be given once over all files, and where it is; its default when it is not given.
    fn only<T: DeserializeOwned + Default>(
        &self,
        key: &str,
        problems: &mut Problems,
    ) -> (Option<Place<'a>>, T) {
        let given = self.documents.iter().map(|document| document.key(key));
        let mut given = given.filter(|place| place.node.is_some());
        let Some(first) = given.next() else { return (None, T::default()) };
        for again in given {
            let message =
                format!("may be given once over all files; it is already at {}", first.position());
            problems.report(again.problem(message));
        }
        let part = sound::<T>(&first, problems).unwrap_or_default();
        (Some(first), part)
    }

    /// The items of a list over all files that are sound, and were taken by `make`.
    fn list<T: DeserializeOwned, R>(
        &self,
        key: &str,
        problems: &mut Problems,
        make: impl Fn(T, &Place<'a>, &mut Problems) -> Option<R>,
    ) -> Vec<R> {
        let mut taken = Vec::new();
        for place in self.items(key) {
            if let Some(raw) = sound::<T>(&place, problems) {
                taken.extend(make(raw, &place, problems));
            }
        }
        taken
    }

    /// The names in a list, also of items that are not sound; a name given twice is a problem.
    fn names(&self, key: &str, problems: &mut Problems) -> BTreeMap<&'a str, Place<'a>> {
        let names = self.items(key).into_iter().map(|item| item.key("name"));
        unique(names, problems)
    }

    fn items(&self, key: &str) -> Vec<Place<'a>> {
        let lists = self.documents.iter().map(|document| document.key(key));
        lists.flat_map(|list| list.items().collect::<Vec<_>>()).collect()
    }
}

/// The texts at these places; one that comes twice is a problem of the second place.
fn unique<'a>(
    places: impl Iterator<Item = Place<'a>>,
    problems: &mut Problems,
) -> BTreeMap<&'a str, Place<'a>> {
    let mut texts: BTreeMap<&str, Place<'_>> = BTreeMap::new();
    for place in places {
        let Some(text) = place.text() else { continue };
        if let Some(first) = texts.get(text) {
            let message =
                format!("the name {} is already taken at {}", Quoted(text), first.position());
            problems.report(place.problem(message));
        } else {
            texts.insert(text, place);
        }
    }
    texts
}

/// Reads what is sound here; none when too little is, which was reported.
fn sound<T: DeserializeOwned>(place: &Place<'_>, problems: &mut Problems) -> Option<T> {
    let value = problems.sound_part(place)?;
    let read = serde_json::from_value(value).ok();
    if read.is_none() {
        // It fits the schema, so this is ours to mend. The error would quote what it was given.
        problems.report_whole(place, "cannot be read, though it is as the schema wants it");
    }
    read
}
