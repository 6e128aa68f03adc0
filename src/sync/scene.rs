//! Everything that one sync needs, read once at its beginning.

use std::collections::HashMap;
use std::sync::Arc;

use crate::cluster::Cluster;
use crate::config::{Application, Config, DriftMode, Repository};
use crate::domain::installation::Installation;
use crate::domain::inventory::{ApplicationState, InventoryItem};
use crate::domain::name::ApplicationName;
use crate::domain::object::ObjectKey;
use crate::domain::prune::Approval;
use crate::domain::stop::Stop;
use crate::domain::sync::{Phase, SyncOptions, Trigger};
use crate::store::{Claim, Owner};
use crate::sync::context::Context;
use crate::sync::error::SyncError;
use crate::sync::lease::Lease;
use crate::sync::record::Record;
use crate::sync::workers::Worker;

/// Objects that another application holds, each with that application.
pub(super) type Taken = HashMap<ObjectKey, ApplicationName>;

/// The application of a sync with its settings, its past and its places.
pub(super) struct Scene<'a> {
    pub(super) context: &'a Context,
    pub(super) claim: &'a Claim,
    pub(super) lease: &'a Lease,
    pub(super) config: Arc<Config>,
    pub(super) application: Arc<Application>,
    pub(super) repository: Arc<Repository>,
    pub(super) cluster: Cluster,
    pub(super) state: ApplicationState,
    pub(super) installation: Installation,
    /// Empty until it is [read](Scene::read_inventory).
    pub(super) inventory: Vec<InventoryItem>,
}

/// The right of a sync to write to its cluster. Nothing writes that was not given it.
#[derive(Clone, Copy)]
pub(super) struct WriteAccess<'a> {
    lease: &'a Lease,
}

impl WriteAccess<'_> {
    /// The gate of each single write.
    pub(super) fn gate(self) -> Result<(), Stop> {
        self.lease.may_write()
    }
}

impl<'a> Scene<'a> {
    /// Reads configuration and store for a claim.
    pub(super) async fn set(
        context: &'a Context,
        claim: &'a Claim,
        lease: &'a Lease,
    ) -> Result<Self, SyncError> {
        let name = &claim.sync.application;
        let config = context.config.load();
        let gone = || SyncError::NotConfigured(name.clone());
        let application = config.applications.get(name).cloned().ok_or_else(gone)?;
        let repository =
            config.repositories.get(&application.repository).cloned().ok_or_else(gone)?;
        let place = config.clusters.get(&application.cluster).cloned().ok_or_else(gone)?;
        let cluster = context
            .clusters
            .get(&place)
            .await
            .map_err(|source| SyncError::Cluster { cluster: place.name.to_string(), source })?;
        let state = context
            .store
            .application(name)
            .await?
            .unwrap_or_else(|| ApplicationState::new(name.clone()));
        let installation = context.store.installation(&config.server.instance).await?;
        Ok(Self {
            context,
            claim,
            lease,
            config,
            application,
            repository,
            cluster,
            state,
            installation,
            inventory: Vec::new(),
        })
    }

    /// Reads what the application owns. That can be much, so it is left until the work begins.
    pub(super) async fn read_inventory(&mut self) -> Result<(), SyncError> {
        self.inventory =
            self.context.store.inventory(&self.application.name, &self.application.cluster).await?;
        Ok(())
    }

    /// Waits for a worker, and reads what the application owns.
    pub(super) async fn take_worker(
        &mut self,
        record: &mut Record,
    ) -> Result<Worker<'a>, SyncError> {
        let taken = self.context.workers.take(&self.application, &self.config);
        let worker = record.time(Phase::Queue, self.lease.unless_stopped(taken)).await?;
        // With one less that waits, the next may be claimed.
        self.context.store.work_bell().ring();
        self.read_inventory().await?;
        Ok(worker)
    }

    /// What decides about the objects beside Git, in one digest.
    pub(super) fn settings(&self) -> String {
        self.application.settings(self.config.server.instance.as_str())
    }

    /// The right to write to the cluster; none of who only looks: a dry run, and what nobody asked
    /// for of an application that is not automated.
    pub(super) fn access(&self) -> Option<WriteAccess<'_>> {
        let may = self.trigger().is_person() || self.application.sync.automated;
        (may && !self.options().dry_run).then_some(WriteAccess { lease: self.lease })
    }

    /// A person's yes to what this sync was to delete.
    pub(super) fn approval(&self) -> Approval<'_> {
        let sync = &self.claim.sync;
        Approval { hash: sync.approved.as_deref(), plan: sync.plan.as_ref() }
    }

    /// What was asked for beyond the configuration.
    pub(super) fn options(&self) -> &SyncOptions {
        &self.claim.sync.options
    }

    /// What asked.
    pub(super) fn trigger(&self) -> Trigger {
        self.claim.sync.trigger
    }

    /// Whether this sync deletes what Git no longer names.
    pub(super) fn prunes(&self) -> bool {
        self.options().prune.unwrap_or(self.application.sync.prune)
    }

    /// Whether drifted objects are put back. A request by a person always does.
    pub(super) fn heals(&self) -> bool {
        self.trigger().is_person() || self.heals_unasked()
    }

    /// Whether drifted objects are put back although nobody asks.
    pub(super) fn heals_unasked(&self) -> bool {
        self.application.sync.automated && self.application.sync.drift == DriftMode::Heal
    }

    /// The inventory by object.
    pub(super) fn owned(&self) -> HashMap<&ObjectKey, &InventoryItem> {
        self.inventory.iter().map(|item| (&item.object, item)).collect()
    }

    /// Other applications whose inventories name these objects of the same cluster.
    pub(super) async fn other_owners(&self, keys: &[ObjectKey]) -> Result<Vec<Owner>, SyncError> {
        let Application { name, cluster, .. } = &*self.application;
        Ok(self.context.store.owners(keys, cluster, name).await?)
    }

    /// Those of these objects that are to be left to another application: it has applied them.
    pub(super) async fn taken(&self, keys: &[ObjectKey]) -> Result<Taken, SyncError> {
        let owners = self.other_owners(keys).await?.into_iter();
        let holders = owners.filter(|owner| owner.applied && !self.keeps_from(owner));
        Ok(holders.map(|owner| (owner.object, owner.application)).collect())
    }

    /// Whether an object stays ours although another application has applied it, too. Two that begin
    /// at once both make the namespace that they share, and both own it: the first by name keeps it,
    /// and the other hands it over.
    fn keeps_from(&self, other: &Owner) -> bool {
        let makes = |application: &Application| {
            let namespace = application.namespace.as_deref().map(ObjectKey::of_namespace);
            application.sync.create_namespace.is_some() && namespace.as_ref() == Some(&other.object)
        };
        let held = self.inventory.iter().find(|item| item.object == other.object);
        self.application.name < other.application
            && held.is_some_and(|item| item.hash.is_some() && item.kept.is_none())
            && makes(&self.application)
            && self.config.applications.get(&other.application).is_some_and(|other| makes(other))
    }

    /// Wraps an error of the cluster with the cluster's name.
    pub(super) fn cluster_error(
        &self,
    ) -> impl Fn(crate::cluster::error::ClusterError) -> SyncError + '_ {
        |source| SyncError::Cluster { cluster: self.application.cluster.to_string(), source }
    }
}
