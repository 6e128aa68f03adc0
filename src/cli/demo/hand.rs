//! The hands of people who have a kubeconfig: they read, edit and delete as `kubectl` does, and
//! know nothing of Headstay.

#[cfg(feature = "sandbox")]
use std::path::Path;

use k8s_openapi::api::core::v1::{ConfigMap, Service};
use kube::Client;
use kube::api::{Api, DeleteParams, Patch, PatchParams};
use kube::config::{Config, KubeConfigOptions, Kubeconfig};
use serde_json::json;

use crate::config::kubeconfig::{self, in_our_words};

type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// The field manager of an edit, as `kubectl edit` has it.
const MANAGER: &str = "kubectl-edit";

/// A cluster as a person reaches it.
pub(super) struct Hand {
    client: Client,
}

impl Hand {
    /// By a kubeconfig and its current context.
    #[cfg(feature = "sandbox")]
    pub(super) async fn by_file(kubeconfig: &Path) -> Result<Self, BoxError> {
        Self::open(kubeconfig::read(Some(kubeconfig))?, None).await
    }

    /// By a context of the usual kubeconfig (`KUBECONFIG`, else `~/.kube/config`).
    pub(super) async fn by_context(context: &str) -> Result<Self, BoxError> {
        Self::open(kubeconfig::read(None)?, Some(context.to_owned())).await
    }

    async fn open(kubeconfig: Kubeconfig, context: Option<String>) -> Result<Self, BoxError> {
        let options = KubeConfigOptions { context, ..KubeConfigOptions::default() };
        let config = Config::from_custom_kubeconfig(kubeconfig, &options).await;
        let mut config = config.map_err(|error| in_our_words(error.into()))?;
        // As for Headstay itself: that of the environment is meant for the world outside.
        config.proxy_url = None;
        let client = Client::try_from(config).map_err(|error| in_our_words(error.into()))?;
        Ok(Self { client })
    }

    /// The client itself.
    pub(super) fn client(&self) -> &Client {
        &self.client
    }

    /// A ConfigMap, if it is there.
    pub(super) async fn config_map(
        &self,
        namespace: &str,
        name: &str,
    ) -> Result<Option<ConfigMap>, kube::Error> {
        Api::namespaced(self.client.clone(), namespace).get_opt(name).await
    }

    /// Whether a Service is there.
    pub(super) async fn has_service(
        &self,
        namespace: &str,
        name: &str,
    ) -> Result<bool, kube::Error> {
        let services: Api<Service> = Api::namespaced(self.client.clone(), namespace);
        Ok(services
            .get_opt(name)
            .await?
            .is_some_and(|service| service.metadata.deletion_timestamp.is_none()))
    }

    /// Sets one key of a ConfigMap.
    pub(super) async fn edit_config_map(
        &self,
        namespace: &str,
        name: &str,
        key: &str,
        value: &str,
    ) -> Result<(), kube::Error> {
        let config_maps: Api<ConfigMap> = Api::namespaced(self.client.clone(), namespace);
        let params = PatchParams { field_manager: Some(MANAGER.to_owned()), ..Default::default() };
        config_maps.patch(name, &params, &Patch::Merge(json!({"data": {key: value}}))).await?;
        Ok(())
    }

    /// Deletes a Service.
    pub(super) async fn delete_service(
        &self,
        namespace: &str,
        name: &str,
    ) -> Result<(), kube::Error> {
        let services: Api<Service> = Api::namespaced(self.client.clone(), namespace);
        services.delete(name, &DeleteParams::default()).await?;
        Ok(())
    }
}
